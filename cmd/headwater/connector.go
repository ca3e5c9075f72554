package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
)

// connectorCmd groups what authors and operators do with connectors.
type connectorCmd struct {
	New      connectorNewCmd      `cmd:"" help:"Write a connector that passes the conformance kit, to begin from."`
	Test     connectorTestCmd     `cmd:"" help:"Examine a connector's program and say what to mend."`
	Add      connectorAddCmd      `cmd:"" help:"Install a packed connector whose signature is trusted."`
	Upgrade  connectorUpgradeCmd  `cmd:"" help:"Replace an installed connector by a newer version."`
	List     connectorListCmd     `cmd:"" help:"Print what is installed and which keys are trusted, as JSON."`
	Info     connectorInfoCmd     `cmd:"" help:"Print the manifest of an installed connector, or of a package, without running it."`
	Remove   connectorRemoveCmd   `cmd:"" help:"Uninstall a connector."`
	Distrust connectorDistrustCmd `cmd:"" help:"Trust a key no more: what only it signed does not start again."`
	Keygen   connectorKeygenCmd   `cmd:"" help:"Make a pair of keys to sign connectors with; prints the public one."`
	Dev      connectorDevCmd      `cmd:"" help:"Attach a connector that runs under a debugger; only a server started with --connector-development uses it."`
	Pack     connectorPackCmd     `cmd:"" help:"Pack a connector's programs and manifest into one file, signed when there is a key."`
}

// connectorFlags say where connectors are installed.
type connectorFlags struct {
	Connectors string `help:"Folder of installed connectors; connectors within --data when not given." type:"path" placeholder:"DIR"`
}

// installed opens the folder of connectors. s is asked for the master key where no file
// holds it, and may be nil elsewhere.
func (f connectorFlags) installed(e *env, sf storeFlags, s store.Store) (*install.Store, error) {
	dir := f.Connectors
	if dir == "" {
		if sf.Data == "" {
			return nil, core.Errorf(core.Invalid, "CONNECTORS", "say where connectors are installed: --connectors DIR")
		}
		dir = filepath.Join(sf.Data, "connectors")
	}
	m, err := sf.master(e, s)
	if err != nil {
		return nil, err
	}
	return install.Open(install.Options{Dir: dir, MAC: func(b []byte) []byte { return m.MAC("connectors", b) }, Clock: e.clock})
}

// connectorStore is the folder of connectors of a store that no server need run on.
type connectorStore struct {
	connectorFlags
	storeFlags
}

func (f connectorStore) open(e *env) (_ *install.Store, err error) {
	if f.Data == "" && f.Mongo == "" {
		return nil, core.Errorf(core.Invalid, "NO_STORE", "say whose connectors: --data DIR for the embedded store or --mongo URI")
	}
	if f.Data != "" {
		if err := os.MkdirAll(f.Data, 0o700); err != nil {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
	}
	if f.Data != "" || f.MasterKey != "" {
		return f.installed(e, f.storeFlags, nil)
	}
	s, err := f.storeFlags.open(e)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(e.ctx))) }()
	return f.installed(e, f.storeFlags, s)
}

// addFlags are those of add and upgrade.
type addFlags struct {
	connectorStore
	File          string   `arg:"" help:"The package, NAME-VERSION.hwc." type:"existingfile"`
	Trust         []string `help:"Public key (or a file with it) to trust from now on, as its owner published it." placeholder:"KEY"`
	AllowUnsigned bool     `help:"Install although nobody trusted signed it: for development only."`
}

func (f addFlags) add(e *env, upgrade bool) error {
	s, err := f.open(e)
	if err != nil {
		return err
	}
	o := install.AddOptions{AllowUnsigned: f.AllowUnsigned, Upgrade: upgrade}
	for _, key := range f.Trust {
		text, err := os.ReadFile(key)
		if errors.Is(err, fs.ErrNotExist) {
			text = []byte(key)
		} else if err != nil {
			return fmt.Errorf("read the key: %w", err)
		}
		o.Trust = append(o.Trust, strings.TrimSpace(string(text)))
	}
	r, err := os.Open(f.File)
	if err != nil {
		return fmt.Errorf("read the package: %w", err)
	}
	defer func() { _ = r.Close() }()
	entry, err := s.Add(r, o)
	if err != nil {
		return err
	}
	if entry.Unsigned {
		e.log.Warn("INSTALLED WITHOUT A TRUSTED SIGNATURE: nobody vouches for what this program does with the data it is given; never do this where real people's data is",
			"connector", entry.Name, "version", entry.Version, "sha256", entry.Binary)
	}
	return e.printJSON(entry)
}

type connectorAddCmd struct{ addFlags }

// Run implements the command.
func (c *connectorAddCmd) Run(e *env) error { return c.add(e, false) }

type connectorUpgradeCmd struct{ addFlags }

// Run implements the command.
func (c *connectorUpgradeCmd) Run(e *env) error { return c.add(e, true) }

type connectorListCmd struct{ connectorStore }

// Run implements the command.
func (c *connectorListCmd) Run(e *env) error {
	s, err := c.open(e)
	if err != nil {
		return err
	}
	entries, keys, err := s.List()
	if err != nil {
		return err
	}
	return e.printJSON(map[string]any{"connectors": orEmpty(entries), "keys": orEmpty(keys)})
}

type connectorInfoCmd struct {
	connectorStore
	Name string `arg:"" help:"Name of an installed connector, or a package."`
}

// Run implements the command.
func (c *connectorInfoCmd) Run(e *env) error {
	if strings.HasSuffix(c.Name, install.Extension) {
		f, err := os.Open(c.Name)
		if err != nil {
			return fmt.Errorf("read the package: %w", err)
		}
		defer func() { _ = f.Close() }()
		contents, err := install.Read(f, "")
		if err != nil {
			return err
		}
		platforms := []string{}
		for _, p := range contents.Platforms {
			platforms = append(platforms, p.String())
		}
		return e.printJSON(map[string]any{"manifest": contents.Manifest, "platforms": platforms, "signers": contents.Signers()})
	}
	s, err := c.open(e)
	if err != nil {
		return err
	}
	entry, spec, err := s.Manifest(c.Name)
	if err != nil {
		return err
	}
	return e.printJSON(map[string]any{"manifest": spec, "installed": entry})
}

type connectorRemoveCmd struct {
	connectorStore
	Name string `arg:"" help:"Name of the connector."`
}

// Run implements the command.
func (c *connectorRemoveCmd) Run(e *env) error {
	s, err := c.open(e)
	if err != nil {
		return err
	}
	entry, err := s.Remove(c.Name)
	if err != nil {
		return err
	}
	return e.printJSON(map[string]any{"removed": entry})
}

type connectorDistrustCmd struct {
	connectorStore
	Key string `arg:"" help:"The key, or its name."`
}

// Run implements the command.
func (c *connectorDistrustCmd) Run(e *env) error {
	s, err := c.open(e)
	if err != nil {
		return err
	}
	return s.Distrust(c.Key)
}

type connectorKeygenCmd struct {
	Name   string `arg:"" help:"Whose key it is, without spaces, such as acme-connectors."`
	Output string `help:"File for the private key; must not exist." required:"" type:"path" placeholder:"FILE"`
}

// Run implements the command.
func (c *connectorKeygenCmd) Run(e *env) error {
	private, public, err := install.NewKey(c.Name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.Output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return core.Errorf(core.Conflict, "FILE_EXISTS", "%s exists; a key is never overwritten", c.Output)
	}
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	_, err = f.WriteString(private + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	_, err = fmt.Fprintln(e.out, public)
	return err
}

type connectorPackCmd struct {
	Manifest string            `help:"The manifest, as the connector prints it." required:"" type:"existingfile" placeholder:"FILE"`
	Binary   map[string]string `help:"Program of a platform; several may be given." required:"" placeholder:"OS/ARCH=FILE"`
	Readme   string            `help:"README.md for people." type:"existingfile" placeholder:"FILE"`
	Key      string            `help:"File with the private key to sign with; not signed when not given." type:"existingfile" placeholder:"FILE"`
	Output   string            `help:"Folder to write NAME-VERSION.hwc to." type:"existingdir" default:"." placeholder:"DIR"`
}

// Run implements the command.
func (c *connectorPackCmd) Run(e *env) error {
	p := install.Package{Binaries: map[install.Platform]string{}}
	var err error
	if p.Manifest, err = os.ReadFile(c.Manifest); err != nil {
		return fmt.Errorf("read the manifest: %w", err)
	}
	if c.Readme != "" {
		if p.Readme, err = os.ReadFile(c.Readme); err != nil {
			return fmt.Errorf("read the readme: %w", err)
		}
	}
	if c.Key != "" {
		key, err := os.ReadFile(c.Key)
		if err != nil {
			return fmt.Errorf("read the key: %w", err)
		}
		p.Key = string(key)
	}
	for name, path := range c.Binary {
		platform, err := install.ParsePlatform(name)
		if err != nil {
			return err
		}
		p.Binaries[platform] = path
	}
	spec, err := install.ParseManifest(p.Manifest)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := install.Pack(&b, p); err != nil {
		return err
	}
	file := filepath.Join(c.Output, spec.Name+"-"+spec.Version+install.Extension)
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the package: %w", err)
	}
	if c.Key == "" {
		e.log.Warn("the package is not signed: servers refuse it unless told otherwise")
	}
	return e.printJSON(map[string]any{"file": file, "name": spec.Name, "version": spec.Version, "signed": c.Key != ""})
}

// orEmpty is the list with no null in its JSON.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
