package main

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"golang.org/x/mod/semver"

	"github.com/headwater-cdp/headwater/core"
)

//go:embed template/connector
var connectorTemplate embed.FS

// connectorFiles says where each file of the template goes; NAME stands for the
// connector's.
var connectorFiles = map[string]string{
	"main.go":            "cmd/NAME/main.go",
	"gitignore":          ".gitignore",
	"connector.go":       "connector.go",
	"client.go":          "client.go",
	"contacts.go":        "contacts.go",
	"config.schema.json": "config.schema.json",
	"connector_test.go":  "connector_test.go",
	"emulator_test.go":   "emulator_test.go",
	"go.mod":             "go.mod",
	"Makefile":           "Makefile",
	"README.md":          "README.md",
}

type connectorNewCmd struct {
	Name    string `arg:"" help:"Of the connector: lower case letters, digits and -."`
	Dir     string `help:"Folder to write to, which must be empty or not there; NAME when not given." type:"path" placeholder:"DIR"`
	Module  string `help:"Path of its Go module; example.com/NAME when not given." placeholder:"PATH"`
	Title   string `help:"Name of the vendor, for people; NAME when not given." placeholder:"TITLE"`
	Plugins string `help:"Folder with the plugins module of a clone, to build against instead of a release." type:"existingdir" placeholder:"DIR"`
}

// connectorName is what a manifest accepts, without what would not be a Go package.
var connectorName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Run implements the command.
func (c *connectorNewCmd) Run(e *env) error {
	if len(c.Name) > 63 || !connectorName.MatchString(c.Name) {
		return core.Errorf(core.Invalid, "NAME", "a connector's name has lower case letters, digits and single - between them, at most 63, and begins with a letter")
	}
	dir := c.Dir
	if dir == "" {
		dir = c.Name
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return core.Errorf(core.Invalid, "FOLDER", "the folder %s is not empty: give another one with --dir", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into the folder: %w", err)
	}
	values := map[string]string{
		"Name": c.Name, "Package": strings.ReplaceAll(c.Name, "-", ""), "Title": cmp.Or(c.Title, c.Name),
		"Module": cmp.Or(c.Module, "example.com/"+c.Name), "Plugins": c.Plugins, "Version": releaseVersion(),
	}
	for source, target := range connectorFiles {
		content, err := fillIn(source, values)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(strings.ReplaceAll(target, "NAME", c.Name)))
		if err := writeNew(path, content); err != nil {
			return err
		}
	}
	if c.Plugins != "" {
		// What the kit needs is known by its sums; go mod tidy has less to fetch.
		sums, err := os.ReadFile(filepath.Join(c.Plugins, "go.sum"))
		if err != nil {
			return fmt.Errorf("read the sums of the plugins module: %w", err)
		}
		if err := writeNew(filepath.Join(dir, "go.sum"), sums); err != nil {
			return err
		}
	}
	fmt.Fprintf(e.out, "Written to %s. Now:\n\n    cd %s\n", dir, dir)
	if c.Plugins == "" && releaseVersion() == "" {
		fmt.Fprintln(e.out, "    go get github.com/headwater-cdp/headwater/plugins@latest")
	}
	fmt.Fprint(e.out, "    go mod tidy\n    make test\n")
	return nil
}

// releaseVersion is the version of the plugins module that belongs to this program; ""
// for one that is no release.
func releaseVersion() string {
	if v := buildVersion(); semver.IsValid(v) {
		return v
	}
	return ""
}

func fillIn(name string, values map[string]string) ([]byte, error) {
	text, err := connectorTemplate.ReadFile("template/connector/" + name + ".tmpl")
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Delims("[[", "]]").Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, values); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeNew(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("write a file: %w", err)
	}
	return nil
}
