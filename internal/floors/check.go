package floors

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Package is what the rules need to know of a package of the project. Path and
// the imports within the project are relative to Module ("core/store"); other
// imports are written as in the source.
type Package struct {
	Path        string
	Name        string
	Doc         bool // has a package comment
	Generated   bool // every file is
	Imports     []string
	TestImports []string // of _test.go files, in the package and beside it
	Files       []File
}

// File is a source file with its number of lines.
type File struct {
	Path      string
	Lines     int
	Generated bool
}

// Check returns a sentence for every rule that a package breaks, in order.
func Check(plan []Floor, fences []Foreign, pkgs []Package) []string {
	own := map[string]bool{}
	for _, p := range pkgs {
		own[p.Path] = true
	}
	var found []string
	for _, p := range pkgs {
		found = append(found, checkName(p)...)
		found = append(found, checkFiles(p)...)
		floor, ok := floorOf(plan, p.Path)
		if !ok {
			found = append(found, fmt.Sprintf("%s has no floor: add it to Plan in internal/floors", p.Path))
			continue
		}
		if floor.Tests {
			continue
		}
		for _, imp := range p.Imports {
			found = append(found, checkImport(plan, fences, own, floor, p.Path, imp, false)...)
		}
		for _, imp := range p.TestImports {
			found = append(found, checkImport(plan, fences, own, floor, p.Path, imp, true)...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func checkName(p Package) []string {
	var found []string
	for _, name := range []string{p.Name, path.Base(p.Path)} {
		if slices.Contains(Banned, strings.TrimSuffix(name, "_test")) {
			found = append(found, fmt.Sprintf("%s: a package is not called %q: name it after what it does", p.Path, name))
		}
	}
	if !p.Doc && !p.Generated {
		found = append(found, p.Path+" has no package comment: tell its idea in doc.go")
	}
	return found
}

func checkFiles(p Package) []string {
	var found []string
	for _, f := range p.Files {
		if f.Lines > MaxLines && !f.Generated {
			found = append(found, fmt.Sprintf("%s has %d lines, more than %d: cut it by subject", f.Path, f.Lines, MaxLines))
		}
	}
	return found
}

func checkImport(plan []Floor, fences []Foreign, own map[string]bool, from Floor, importer, imp string, test bool) []string {
	if imp == importer {
		return nil // a test beside its package
	}
	say := func(format string, args ...any) []string {
		file := ""
		if test {
			file = " (in a test)"
		}
		return []string{fmt.Sprintf("%s imports %s%s: ", importer, imp, file) + fmt.Sprintf(format, args...)}
	}
	if !own[imp] {
		if test {
			return nil
		}
		for _, f := range fences {
			if under(imp, f.Path) && !coveredBy(f.By, importer) {
				return say("only %s may: %s", list(f.By), f.Why)
			}
		}
		if from.Stdlib && !isStdlib(imp) {
			return say("%s imports the standard library only", from.Path)
		}
		return nil
	}
	to, ok := floorOf(plan, imp)
	if !ok || (to.Path == from.Path && strings.HasSuffix(to.Path, "/...")) {
		return nil // missing is told at the package itself; a zone is one
	}
	switch {
	case to.For != nil && test, test && coveredBy(from.InTests, imp):
		return nil
	case to.For != nil && !coveredBy(to.For, importer):
		return say("only %s may, and tests", list(to.For))
	case from.Only != nil && !coveredBy(from.Only, imp):
		return say("%s imports %s only", from.Path, list(from.Only))
	case to.Level >= from.Level:
		return say("an import goes strictly down, and %s (%d) is not below %s (%d)", to.Path, to.Level, from.Path, from.Level)
	}
	return nil
}

// floorOf finds the entry of a package: its own, else the longest that covers it.
func floorOf(plan []Floor, pkg string) (Floor, bool) {
	var best Floor
	found := false
	for _, f := range plan {
		if f.Path == pkg {
			return f, true
		}
		if covers(f.Path, pkg) && len(f.Path) > len(best.Path) {
			best, found = f, true
		}
	}
	return best, found
}

func covers(pattern, pkg string) bool {
	zone, ok := strings.CutSuffix(pattern, "/...")
	if !ok {
		return pattern == pkg
	}
	return under(pkg, zone)
}

func coveredBy(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, pkg) })
}

func under(pkg, root string) bool { return pkg == root || strings.HasPrefix(pkg, root+"/") }

func isStdlib(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}

func list(paths []string) string {
	if len(paths) == 0 {
		return "nothing of the project"
	}
	return strings.Join(paths, ", ")
}
