/* What the libraries that are loaded into this process say of their versions. library is the
 * path of one that is; the functions are its own. */
#ifndef THUMBMILL_VERSIONS_H
#define THUMBMILL_VERSIONS_H

/* The text that a function gives; NULL when the library has no such function. The function has
 * no parameter, or one pointer that may be NULL. */
const char *tm_version_text(const char *library, const char *function);
/* The number that a function without parameters gives; 0 when there is none. */
unsigned tm_version_number(const char *library, const char *function);

#endif
