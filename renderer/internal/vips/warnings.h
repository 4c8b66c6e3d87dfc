/* Keeps the messages of decoders that arrive as warnings of libvips. libpng reports in no other way. */
#ifndef THUMBMILL_WARNINGS_H
#define THUMBMILL_WARNINGS_H

/* Starts to keep the last warning: one for the process, as libvips keeps its errors. */
void tm_keep_warnings(void);
void tm_clear_warning(void);
/* Returns a copy of the last warning. The caller frees it with free(). */
char *tm_warning(void);

#endif
