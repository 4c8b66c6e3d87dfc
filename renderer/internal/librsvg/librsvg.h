/* A drawing of librsvg's as pixels, as rsvg-convert draws it. */
#ifndef THUMBMILL_LIBRSVG_H
#define THUMBMILL_LIBRSVG_H

#include <stddef.h>

enum { TM_SVG_DRAWN, TM_SVG_FAILED };

typedef struct {
	const char *text; /* which must stay there meanwhile */
	size_t length;
	int unlimited;         /* the parser's own limits are off */
	int width, height;     /* at which it is drawn; 0 keeps the proportion of its sides, two 0 its own size */
	long long most;        /* pixels that are drawn at most */
	int drawn_width, drawn_height;
	unsigned char *pixels; /* RGBA, not multiplied by alpha; freed with tm_svg_free */
	void *surface;
} TmSvg;

/* TM_SVG_DRAWN, else nothing has to be freed. *aborted tells that the library gave up in the middle of
   its work: the process is good for nothing more of this kind. */
int tm_svg(TmSvg *s, int *aborted);
void tm_svg_free(TmSvg *s);

/* The library's version: 2060 for 2.60. */
int tm_svg_version(void);

#endif
