// Package page tests the operators' page as they use it: in a browser, on a cluster under
// load. THUMBMILL_SCREENSHOT=FILE has it photograph the page for the README.
package page
