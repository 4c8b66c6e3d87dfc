// Package mediawiki has no code: its tests start Debian's MediaWiki with thumbmill as
// docs/mediawiki.md says, upload files, and look at pages in a browser.
//
// Debian has no package of three extensions, so that fetch-core cannot fetch them. PoolCounter and PagedTiffHandler are
// tested from the folders that THUMBMILL_WIKI_POOLCOUNTER and THUMBMILL_WIKI_PAGEDTIFF name. No test has
// TimedMediaHandler, which needs more of PHP's libraries: no page of a real wiki has a video here, and edge/internal/mediawiki
// tests thumbtime against the rules of TimedMediaHandler's code.
package mediawiki
