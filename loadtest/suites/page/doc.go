// Package page tests the operators' page in a browser, on a cluster under load.
// THUMBMILL_SCREENSHOT=FILE writes a picture of the page for the README, THUMBMILL_TRIAL_SCREENSHOT=FILE one of the page to
// try URLs.
package page
