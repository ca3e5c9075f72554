//go:build !linux

package install

import "io"

// newImage copies a program to where only this user can reach it.
func newImage(name string, r io.Reader) (*image, string, error) { return copyImage(name, r) }
