/* A text as pixels, by Pango. */
#ifndef THUMBMILL_LETTERING_H
#define THUMBMILL_LETTERING_H

#include <stddef.h>

enum { TM_TEXT_DRAWN, TM_TEXT_TOO_LARGE, TM_TEXT_FAILED };

typedef struct {
	const char *text; /* UTF-8, which must stay there meanwhile */
	size_t length;
	const char *font; /* a description of Pango's without a size, such as "DejaVu Serif Bold" */
	double size;      /* of the font, in pixels */
	double red, green, blue, alpha; /* 0 to 1 */
	long long most;   /* pixels that are drawn at most */
	int width, height;
	unsigned char *pixels; /* RGBA, not multiplied by alpha; freed with free */
} TmText;

/* Returns TM_TEXT_DRAWN, or another number if nothing must be freed. */
int tm_text(TmText *t);

#endif
