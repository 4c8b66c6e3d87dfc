/* Pango looks for the best of all fonts, and then sorts them, for each size of a text, which takes longer than to draw
   it. Their order depends on the size only where fonts exist in fixed sizes. FcFontSetSort and FcFontSetMatch of this
   file stand before fontconfig's, and keep orders for all sizes. */
#define _GNU_SOURCE
#include "fonts.h"

#include <dlfcn.h>
#include <fontconfig/fontconfig.h>
#include <pthread.h>
#include <string.h>

typedef FcFontSet *Sort(FcConfig *, FcFontSet **, int, FcPattern *, FcBool, FcCharSet **, FcResult *);
typedef FcPattern *Match(FcConfig *, FcFontSet **, int, FcPattern *, FcResult *);

/* The fonts whose orders are kept. */
static struct {
	FcConfig *config;
	FcFontSet *fonts;
	int known;    /* whether their order depends on the size of a text only at the fixed size */
	double fixed; /* the size in pixels of fonts of one size, or 0 */
	int number;   /* of sets of fonts before */
} seen;

/* An order of the fonts, for all patterns that are equal without their size. */
typedef struct {
	int kind;   /* BEST: the first font alone; else FcFontSetSort's trim */
	int number; /* of the fonts */
	FcPattern *pattern; /* without size */
	FcFontSet *sorted;
} Order;

enum { KEPT = 128, BEST = -1 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Order kept[KEPT];
static int next, again;

int tm_fonts_again(void) {
	pthread_mutex_lock(&lock);
	int n = seen.fonts && !seen.known ? -1 : again;
	pthread_mutex_unlock(&lock);
	return n;
}

/* Notes the fixed size of a font. Returns 0 where sizes matter in other ways: ranges, or several sizes. */
static int note_size(FcPattern *font) {
	FcValue value;
	double size;
	if (FcPatternGet(font, FC_SIZE, 0, &value) == FcResultMatch)
		return 0;
	if (FcPatternGet(font, FC_PIXEL_SIZE, 0, &value) != FcResultMatch)
		return 1;
	if (FcPatternGetDouble(font, FC_PIXEL_SIZE, 0, &size) != FcResultMatch || FcPatternGet(font, FC_PIXEL_SIZE, 1, &value) == FcResultMatch ||
		(seen.fixed && seen.fixed != size))
		return 0;
	seen.fixed = size;
	return 1;
}

static FcFontSet *copied(const FcFontSet *set) {
	FcFontSet *copy = FcFontSetCreate();
	for (int i = 0; copy && i < set->nfont; i++) {
		FcPatternReference(set->fonts[i]);
		if (!FcFontSetAdd(copy, set->fonts[i])) {
			FcPatternDestroy(set->fonts[i]);
			FcFontSetDestroy(copy);
			return NULL;
		}
	}
	return copy;
}

static void drop(Order *o) {
	if (!o->sorted)
		return;
	FcPatternDestroy(o->pattern);
	FcFontSetDestroy(o->sorted);
	o->sorted = NULL;
}

void tm_fonts_forget(void) {
	pthread_mutex_lock(&lock);
	for (int i = 0; i < KEPT; i++)
		drop(&kept[i]);
	pthread_mutex_unlock(&lock);
}

/* Notes the fonts, and forgets the orders of others. Pango makes a set of the same fonts for each thread. */
static void see(FcConfig *config, FcFontSet *fonts) {
	if (seen.fonts && seen.config == config && seen.fonts->nfont == fonts->nfont &&
		!memcmp(seen.fonts->fonts, fonts->fonts, (size_t) fonts->nfont * sizeof *fonts->fonts))
		return;
	for (int i = 0; i < KEPT; i++)
		drop(&kept[i]);
	if (seen.fonts)
		FcFontSetDestroy(seen.fonts);
	seen.config = config;
	seen.fonts = copied(fonts); /* holds them, so that others cannot have their addresses */
	seen.number++;
	seen.fixed = 0;
	seen.known = seen.fonts != NULL;
	for (int i = 0; i < fonts->nfont && seen.known; i++)
		seen.known = note_size(fonts->fonts[i]);
}

/* Returns a copy of the pattern without its size, or NULL where the order depends on the size. */
static FcPattern *sizeless(FcPattern *pattern) {
	double size;
	if (!seen.known || FcPatternGetDouble(pattern, FC_PIXEL_SIZE, 0, &size) != FcResultMatch || size == seen.fixed)
		return NULL;
	FcPattern *without = FcPatternDuplicate(pattern);
	if (without) {
		FcPatternDel(without, FC_SIZE);
		FcPatternDel(without, FC_PIXEL_SIZE);
	}
	return without;
}

static FcFontSet *find(const Order *wanted) {
	for (int i = 0; i < KEPT; i++)
		if (kept[i].sorted && kept[i].kind == wanted->kind && FcPatternEqual(kept[i].pattern, wanted->pattern)) {
			again++;
			return copied(kept[i].sorted);
		}
	return NULL;
}

/* Looks for an order. The result is a copy, or NULL; then keep needs *order. */
static FcFontSet *look(FcConfig *config, FcFontSet *fonts, FcPattern *pattern, int kind, Order *order) {
	pthread_mutex_lock(&lock);
	see(config, fonts);
	*order = (Order){kind, seen.number, sizeless(pattern), NULL};
	FcFontSet *sorted = order->pattern ? find(order) : NULL;
	pthread_mutex_unlock(&lock);
	if (sorted)
		FcPatternDestroy(order->pattern);
	return sorted;
}

/* Keeps an order, which it owns from now on, instead of the oldest one. */
static void keep(Order *order, FcFontSet *sorted) {
	if (!order->pattern) {
		if (sorted)
			FcFontSetDestroy(sorted);
		return;
	}
	order->sorted = sorted;
	pthread_mutex_lock(&lock);
	if (sorted && order->number == seen.number) {
		drop(&kept[next]);
		kept[next] = *order;
		next = (next + 1) % KEPT;
	} else if (sorted)
		drop(order);
	else
		FcPatternDestroy(order->pattern);
	pthread_mutex_unlock(&lock);
}

FcFontSet *FcFontSetSort(FcConfig *config, FcFontSet **sets, int nsets, FcPattern *pattern, FcBool trim, FcCharSet **chars, FcResult *result) {
	static Sort *fontconfigs;
	Order order;
	if (!fontconfigs) {
		void *symbol = dlsym(RTLD_NEXT, "FcFontSetSort");
		memcpy(&fontconfigs, &symbol, sizeof symbol); /* C has no cast from data to functions */
	}
	if (nsets != 1 || !sets[0] || chars || !pattern)
		return fontconfigs(config, sets, nsets, pattern, trim, chars, result);
	FcFontSet *sorted = look(config, sets[0], pattern, trim != 0, &order);
	if (sorted) {
		*result = FcResultMatch;
		return sorted;
	}
	sorted = fontconfigs(config, sets, nsets, pattern, trim, chars, result);
	keep(&order, sorted && sorted->nfont > 0 ? copied(sorted) : NULL);
	return sorted;
}

static int is_file(FcPattern *font, FcPattern *prepared) {
	FcChar8 *a, *b;
	int i, j;
	return FcPatternGetInteger(font, FC_INDEX, 0, &i) == FcResultMatch && FcPatternGetInteger(prepared, FC_INDEX, 0, &j) == FcResultMatch && i == j &&
		FcPatternGetString(font, FC_FILE, 0, &a) == FcResultMatch && FcPatternGetString(prepared, FC_FILE, 0, &b) == FcResultMatch &&
		!strcmp((const char *) a, (const char *) b);
}

/* Returns the one font that was prepared for a pattern, or NULL. */
static FcFontSet *origin(const FcFontSet *fonts, FcPattern *prepared) {
	FcPattern *found = NULL;
	for (int i = 0; i < fonts->nfont; i++)
		if (is_file(fonts->fonts[i], prepared)) {
			if (found)
				return NULL;
			found = fonts->fonts[i];
		}
	const FcFontSet one = {1, 1, &found};
	return found ? copied(&one) : NULL;
}

FcPattern *FcFontSetMatch(FcConfig *config, FcFontSet **sets, int nsets, FcPattern *pattern, FcResult *result) {
	static Match *fontconfigs;
	Order order;
	if (!fontconfigs) {
		void *symbol = dlsym(RTLD_NEXT, "FcFontSetMatch");
		memcpy(&fontconfigs, &symbol, sizeof symbol);
	}
	if (nsets != 1 || !sets[0] || !pattern)
		return fontconfigs(config, sets, nsets, pattern, result);
	FcFontSet *best = look(config, sets[0], pattern, BEST, &order);
	if (best) { /* which fontconfig then prepares for this size */
		FcPattern *prepared = fontconfigs(config, &best, 1, pattern, result);
		FcFontSetDestroy(best);
		return prepared;
	}
	FcPattern *prepared = fontconfigs(config, sets, nsets, pattern, result);
	keep(&order, prepared && order.pattern ? origin(sets[0], prepared) : NULL);
	return prepared;
}
