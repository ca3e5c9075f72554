//go:build !unix

package journal

import "os"

// lock does nothing here: an open file cannot be removed on such systems.
func lock(*os.File) error { return nil }

// tryLock does nothing here: see lock.
func tryLock(*os.File) (bool, error) { return true, nil }

// syncFolder does nothing here: such systems keep folders by themselves.
func syncFolder(*os.File) error { return nil }
