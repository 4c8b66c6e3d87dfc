/* The compiler makes each function with WIDE for several processors. The program takes the best one when it
 * starts. */
#ifndef THUMBMILL_WIDE_H
#define THUMBMILL_WIDE_H

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define WIDE
#endif

#endif
