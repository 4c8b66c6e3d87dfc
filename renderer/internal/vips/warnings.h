/* What decoders say by way of libvips' warnings: for libpng, that is all they say. */
#ifndef THUMBMILL_WARNINGS_H
#define THUMBMILL_WARNINGS_H

/* Keeps the last warning, as libvips keeps its errors: one for the process. */
void tm_keep_warnings(void);
void tm_clear_warning(void);
/* A copy, to be freed by free(). */
char *tm_warning(void);

#endif
