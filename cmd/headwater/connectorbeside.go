package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
)

// installBeside installs the connectors that were built with this program, for the demo:
// those in the folder connectors beside it. What is installed under such a name in
// another build is replaced.
func installBeside(e *env, s *install.Store) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	dir := filepath.Join(filepath.Dir(self), "connectors")
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for connectors: %w", err)
	}
	for _, f := range files {
		if !f.Type().IsRegular() {
			continue
		}
		if err := installProgram(e, s, filepath.Join(dir, f.Name())); err != nil {
			// One that cannot be used keeps nobody from the others.
			e.log.Warn("a connector beside this program is not installed", "file", f.Name(), "error", err.Error())
		}
	}
	return nil
}

// installProgram packs a connector's program and installs it, though nobody signed it.
func installProgram(e *env, s *install.Store, program string) error {
	ctx, cancel := context.WithTimeout(e.ctx, 10*time.Second)
	defer cancel()
	manifest, err := exec.CommandContext(ctx, program, "spec").Output()
	if err != nil {
		return fmt.Errorf("ask it what it is: %w", err)
	}
	spec, err := install.ParseManifest(manifest)
	if err != nil {
		return err
	}
	p := install.Package{Manifest: manifest, Binaries: map[install.Platform]string{{OS: runtime.GOOS, Arch: runtime.GOARCH}: program}}
	digest, err := p.Digest()
	if err != nil {
		return err
	}
	entries, _, err := s.List()
	if err != nil {
		return err
	}
	for _, have := range entries {
		switch {
		case have.Name != spec.Name:
		case have.Digest == digest:
			return nil
		default:
			if _, err := s.Remove(have.Name); err != nil {
				return err
			}
		}
	}
	var b bytes.Buffer
	if err := install.Pack(&b, p); err != nil {
		return err
	}
	_, err = s.Add(&b, install.AddOptions{AllowUnsigned: true})
	return err
}
