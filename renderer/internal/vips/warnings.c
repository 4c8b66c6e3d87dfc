#include "warnings.h"

#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

static GMutex lock;
static char last[512];

static void keep(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer unused) {
	(void) domain, (void) level, (void) unused;
	/* At the end libvips only counts the warnings, so this message would hide the last one. */
	if (!message || strstr(message, "read gave"))
		return;
	g_mutex_lock(&lock);
	g_strlcpy(last, message, sizeof(last));
	g_mutex_unlock(&lock);
}

void tm_keep_warnings(void) { g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, keep, NULL); }

void tm_clear_warning(void) {
	g_mutex_lock(&lock);
	last[0] = 0;
	g_mutex_unlock(&lock);
}

char *tm_warning(void) {
	char *copy;
	g_mutex_lock(&lock);
	copy = strdup(last);
	g_mutex_unlock(&lock);
	return copy;
}
