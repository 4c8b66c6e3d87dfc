// Package commandline has the common parts of all command lines: flags that set settings, and
// errors that list the allowed commands and flags.
package commandline
