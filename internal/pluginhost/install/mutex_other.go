//go:build !unix

package install

import "os"

// exclusive does nothing here: connectors do not run on such systems either.
func exclusive(*os.File) error { return nil }
