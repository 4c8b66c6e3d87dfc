<?php

namespace MediaWiki\Extension\Thumbmill;

/**
 * Purges the URL of a file that is new. MediaWiki itself purges it when a file is uploaded anew, moved, deleted or
 * undeleted, and takes for granted that no cache has the URL of a file that was never there. An edge has: it
 * answered 404.
 */
class Uploads {
	/** @var \HtmlCacheUpdater whose class has another namespace in later versions of MediaWiki */
	private $caches;

	/** @param \HtmlCacheUpdater $caches */
	public function __construct( $caches ) {
		$this->caches = $caches;
	}

	/**
	 * Purges before MediaWiki answers the upload.
	 *
	 * @param \File $file
	 * @param bool $reupload
	 */
	public function onFileUpload( $file, $reupload ) {
		if ( !$reupload ) {
			$this->caches->purgeUrls( $file->getUrl(), $this->caches::PURGE_INTENT_TXROUND_REFLECTED );
		}
	}
}
