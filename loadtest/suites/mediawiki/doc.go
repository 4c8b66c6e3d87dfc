// Package mediawiki has no code: its tests start Debian's MediaWiki with thumbmill as
// docs/mediawiki.md says, upload files, and look at pages in a browser.
//
// Debian has no packages of three extensions, so that fetch-core cannot fetch them. Variables name their folders:
// THUMBMILL_WIKI_POOLCOUNTER, THUMBMILL_WIKI_PAGEDTIFF and THUMBMILL_WIKI_TIMEDMEDIA. Without them, no test has pages of
// TIFFs or videos in a real wiki.
package mediawiki
