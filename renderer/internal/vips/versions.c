#include "versions.h"

#include <dlfcn.h>
#include <stddef.h>

/* Returns a function of a library that is loaded already, and leaves the library loaded. */
static void *loaded(const char *library, const char *function) {
	void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD), *found;
	if (!handle)
		return NULL;
	found = dlsym(handle, function);
	dlclose(handle);
	return found;
}

const char *tm_version_text(const char *library, const char *function) {
	const char *(*text)(void *) = (const char *(*)(void *)) loaded(library, function);
	return text ? text(NULL) : NULL;
}

unsigned tm_version_number(const char *library, const char *function) {
	unsigned (*number)(void) = (unsigned (*)(void)) loaded(library, function);
	return number ? number() : 0;
}
