/* Reads the versions of libraries that this process has loaded. library is the path of a loaded
 * library, function the name of a function in it. */
#ifndef THUMBMILL_VERSIONS_H
#define THUMBMILL_VERSIONS_H

/* Returns the text that the function returns, or NULL if the library has no such function. The
 * function has no parameter, or one pointer that may be NULL. */
const char *tm_version_text(const char *library, const char *function);
/* Returns the number that a function without parameters returns, or 0 if there is no such function. */
unsigned tm_version_number(const char *library, const char *function);

#endif
