// Package mediawiki has no code: its tests start Debian's MediaWiki with thumbmill as
// docs/mediawiki.md says, upload files, and look at pages in a browser.
package mediawiki
