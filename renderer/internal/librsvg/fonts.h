#ifndef THUMBMILL_FONTS_H
#define THUMBMILL_FONTS_H

/* Returns how often the order of the fonts was known from another text, or -1 where it depends on the size. */
int tm_fonts_again(void);

/* Forgets all orders, for measurements. */
void tm_fonts_forget(void);

#endif
