package floors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Read lists the packages of the module at root and of the modules nested in it.
func Read(root string) ([]Package, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("floors: %w", err)
	}
	var mods []string
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return fs.SkipDir
		case d.Name() == "go.mod":
			mods = append(mods, filepath.Dir(p))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("floors: find modules: %w", err)
	}
	var all []Package
	for _, dir := range mods {
		pkgs, err := readModule(root, dir)
		if err != nil {
			return nil, err
		}
		all = append(all, pkgs...)
	}
	return all, nil
}

// listed is what the go command tells of a package.
type listed struct {
	ImportPath, Name, Dir, Doc         string
	Imports, TestImports, XTestImports []string
	Error                              *struct{ Err string }
}

func readModule(root, dir string) ([]Package, error) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Name,Dir,Doc,Imports,TestImports,XTestImports,Error", "./...")
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("floors: go list in %s: %w: %s", dir, err, errs.String())
	}
	var pkgs []Package
	for dec := json.NewDecoder(&out); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, fmt.Errorf("floors: go list in %s: %w", dir, err)
		}
		// A package of the project that another module of it depends on is listed there.
		if !under(l.ImportPath, Module) || !under(l.Dir, dir) {
			continue
		}
		p, err := readPackage(root, l)
		if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
}

func readPackage(root string, l listed) (Package, error) {
	p := Package{
		Path:        relative(l.ImportPath),
		Name:        l.Name,
		Doc:         l.Doc != "",
		Generated:   true,
		Imports:     relatives(l.Imports),
		TestImports: relatives(slices.Concat(l.TestImports, l.XTestImports)),
	}
	names, err := filepath.Glob(filepath.Join(l.Dir, "*.go"))
	if err != nil {
		return p, fmt.Errorf("floors: %s: %w", p.Path, err)
	}
	for _, name := range names {
		src, err := os.ReadFile(name) //nolint:gosec // a file that go list named
		if err != nil {
			return p, fmt.Errorf("floors: %s: %w", p.Path, err)
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), name, src, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return p, fmt.Errorf("floors: %s: %w", p.Path, err)
		}
		if p.Name == "" {
			p.Name = syntax.Name.Name // tests only
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return p, fmt.Errorf("floors: %s: %w", p.Path, err)
		}
		f := File{Path: filepath.ToSlash(rel), Lines: bytes.Count(src, []byte("\n")), Generated: ast.IsGenerated(syntax)}
		p.Generated = p.Generated && f.Generated
		p.Doc = p.Doc || syntax.Doc.Text() != ""
		p.Files = append(p.Files, f)
	}
	return p, nil
}

func relative(imp string) string {
	if imp == Module {
		return "."
	}
	return strings.TrimPrefix(imp, Module+"/")
}

func relatives(imps []string) []string {
	out := make([]string, len(imps))
	for i, imp := range imps {
		out[i] = relative(imp)
	}
	return out
}
