<?php
// Uses MediaWiki's own PoolCounter client: php poolcounter.php MEDIAWIKI EXTENSION HOST:PORT. EXTENSION is
// the folder of the extension for MediaWiki before 1.40, or "" for the client in MediaWiki's core.
//
// It reads commands, one a line, and answers each with a line:
//
//	new NAME KEY WORKERS MAXQUEUE TIMEOUT    makes a pool counter
//	read FILE                                reads settings
//	pool NAME TYPE KEY                       makes a pool counter of a type in $wgPoolCounterConf
//	me|any NAME [TIMEOUT]                    acquires it
//	release NAME
define( 'MEDIAWIKI', true );
define( 'MW_ENTRY_POINT', 'cli' );
[ , $IP, $extension, $server ] = $argv;
$wgDebugRawPage = true;
$wgDebugLogPrefix = '';
require "$IP/vendor/autoload.php";
require "$IP/includes/AutoLoader.php";
require "$IP/includes/Defines.php";
require_once "$IP/includes/GlobalFunctions.php";
MediaWiki\Logger\LoggerFactory::registerProvider( new MediaWiki\Logger\NullSpi );
$wgPoolCountClientConf = [ 'servers' => [ $server ], 'timeout' => 5 ];
if ( $extension !== '' ) {
	AutoLoader::registerNamespaces( [ 'MediaWiki\\Extension\\PoolCounter\\' => "$extension/includes/" ] );
}

function make( string $key, array $limits ) {
	global $extension, $wgPoolCountClientConf;
	static $manager;
	$conf = array_combine( [ 'workers', 'maxqueue', 'timeout' ], array_map( 'intval', $limits ) );
	if ( $extension !== '' ) {
		return new MediaWiki\Extension\PoolCounter\Client( $conf, 'test', $key );
	}
	$manager ??= new MediaWiki\PoolCounter\PoolCounterConnectionManager( $wgPoolCountClientConf );
	$counter = new MediaWiki\PoolCounter\PoolCounterClient( $conf, 'test', $key );
	$counter->setLogger( new Psr\Log\NullLogger );
	$counter->setManager( $manager ); // all counters of a process share a connection
	return $counter;
}

// word is the name of a status as PoolCounter's constants have it, or the error's.
function word( $status ): string {
	if ( !$status->isOK() ) {
		return $status->getErrors()[0]['message'];
	}
	return array_search( $status->value, ( new ReflectionClass( PoolCounter::class ) )->getConstants(), true );
}

$counters = [];
while ( ( $line = fgets( STDIN ) ) !== false ) {
	$words = explode( ' ', rtrim( $line, "\n" ) );
	[ $command, $name ] = $words;
	switch ( $command ) {
		case 'new':
			$counters[$name] = make( urldecode( $words[2] ), array_slice( $words, 3 ) );
			echo "made\n";
			break;
		case 'read':
			require $name;
			echo "read\n";
			break;
		case 'pool':
			$factory = new MediaWiki\PoolCounter\PoolCounterFactory( $wgPoolCounterConf, $wgPoolCountClientConf, new Psr\Log\NullLogger );
			$counters[$name] = $factory->create( $words[2], $words[3] );
			echo "made\n";
			break;
		case 'me':
			echo word( $counters[$name]->acquireForMe( isset( $words[2] ) ? (int)$words[2] : null ) ), "\n";
			break;
		case 'any':
			echo word( $counters[$name]->acquireForAnyone( isset( $words[2] ) ? (int)$words[2] : null ) ), "\n";
			break;
		case 'release':
			echo word( $counters[$name]->release() ), "\n";
	}
}
