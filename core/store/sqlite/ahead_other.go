//go:build !unix

package sqlite

// diskRead is not known here: nothing is read ahead.
func diskRead() int64 { return 0 }
