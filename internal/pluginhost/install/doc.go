// Package install keeps the connectors that an operator installed, and proves before
// each start that what is run is what was installed.
//
// A connector travels as one file, NAME-VERSION.hwc: a gzipped tar of
//
//	manifest.json        sdk.Spec: what the connector is, readable without running it
//	README.md            for people; may be missing
//	bin/OS_ARCH/NAME     the program, for each platform
//	checksums            SHA-256 of each of the above, one a line
//	signature            the text of checksums as a signed note (Ed25519); may be missing
//
// A Store is a folder: NAME/VERSION-HASH/ for each connector, with the program of this
// platform only, and connectors.lock, which pins what was installed by its checksums and
// lists the keys that are trusted. The lock carries a code under a key that the folder
// does not hold, so that whoever can write the folder can break a connector and never
// exchange one.
//
// Load reads the program once, checks those bytes, and gives them back in memory that
// cannot be written any more (on Linux; elsewhere a private copy), which is what is
// executed: what happens to the file in between does not matter.
package install
