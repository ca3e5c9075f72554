package floors

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckFindsWhatIsWrong(t *testing.T) {
	plan := []Floor{
		{Path: "core", Level: 0, Stdlib: true},
		{Path: "core/store", Level: 10},
		{Path: "core/condition", Level: 10, InTests: []string{"core/profile"}},
		{Path: "core/store/engine", Level: 12, For: []string{"cmd/..."}},
		{Path: "core/profile", Level: 70},
		{Path: "sdk/...", Level: 200, Only: []string{}},
		{Path: "connectors/...", Level: 210, Only: []string{"sdk/..."}},
		{Path: "graph/...", Level: 300},
		{Path: "cmd/...", Level: 400},
		{Path: "e2e", Level: 500, Tests: true},
	}
	fences := []Foreign{{"example.com/db", []string{"core/store/engine"}, "it is behind the port"}}

	for name, c := range map[string]struct {
		pkg  Package
		want []string
	}{
		"down": {pkg: Package{Path: "core/profile", Imports: []string{"core", "core/store", "fmt", "example.com/x"}}},
		"up": {
			pkg:  Package{Path: "core/store", Imports: []string{"core/profile"}},
			want: []string{"core/store imports core/profile: an import goes strictly down, and core/profile (70) is not below core/store (10)"},
		},
		"sideways": {
			pkg:  Package{Path: "core/condition", Imports: []string{"core/store"}},
			want: []string{"core/condition imports core/store: an import goes strictly down, and core/store (10) is not below core/condition (10)"},
		},
		"the domain imports the edge": {
			pkg:  Package{Path: "core/profile", Imports: []string{"graph/loader"}},
			want: []string{"core/profile imports graph/loader: an import goes strictly down, and graph/... (300) is not below core/profile (70)"},
		},
		"a test goes up": {
			pkg:  Package{Path: "core/store", TestImports: []string{"core/profile"}},
			want: []string{"core/store imports core/profile (in a test): an import goes strictly down, and core/profile (70) is not below core/store (10)"},
		},
		"a test goes up as planned": {pkg: Package{Path: "core/condition", TestImports: []string{"core/profile"}}},
		"the code may not":          {pkg: Package{Path: "core/condition", Imports: []string{"core/profile"}}, want: []string{"core/condition imports core/profile: an import goes strictly down, and core/profile (70) is not below core/condition (10)"}},
		"a test beside its package": {pkg: Package{Path: "core/profile", TestImports: []string{"core/profile"}}},
		"within a zone":             {pkg: Package{Path: "graph/loader", Imports: []string{"graph"}}},
		"the command wires":         {pkg: Package{Path: "cmd/server", Imports: []string{"graph", "core/store/engine"}}},
		"an engine above the port": {
			pkg:  Package{Path: "core/profile", Imports: []string{"core/store/engine"}},
			want: []string{"core/profile imports core/store/engine: only cmd/... may, and tests"},
		},
		"an engine at the edge": {
			pkg:  Package{Path: "graph", Imports: []string{"core/store/engine"}},
			want: []string{"graph imports core/store/engine: only cmd/... may, and tests"},
		},
		"an engine in a test": {pkg: Package{Path: "core/profile", TestImports: []string{"core/store/engine"}}},
		"a driver past the port": {
			pkg:  Package{Path: "core/profile", Imports: []string{"example.com/db/v2"}},
			want: []string{"core/profile imports example.com/db/v2: only core/store/engine may: it is behind the port"},
		},
		"a driver in a test":   {pkg: Package{Path: "core/profile", TestImports: []string{"example.com/db"}}},
		"a driver's namesake":  {pkg: Package{Path: "core/profile", Imports: []string{"example.com/dbx"}}},
		"the driver's package": {pkg: Package{Path: "core/store/engine", Imports: []string{"core/store", "example.com/db"}}},
		"the ground floor": {
			pkg:  Package{Path: "core", Imports: []string{"fmt", "example.com/x"}},
			want: []string{"core imports example.com/x: core imports the standard library only"},
		},
		"a connector uses the kit": {pkg: Package{Path: "connectors/crm", Imports: []string{"sdk", "sdk/wire"}}},
		"a connector reaches into the domain": {
			pkg:  Package{Path: "connectors/crm", Imports: []string{"core"}},
			want: []string{"connectors/crm imports core: connectors/... imports sdk/... only"},
		},
		"the kit reaches into the domain": {
			pkg:  Package{Path: "sdk", Imports: []string{"core"}},
			want: []string{"sdk imports core: sdk/... imports nothing of the project only"},
		},
		"a package that nobody planned": {
			pkg:  Package{Path: "core/new"},
			want: []string{"core/new has no floor: add it to Plan in internal/floors"},
		},
		"below a planned package": {
			pkg:  Package{Path: "core/profile/parts"},
			want: []string{"core/profile/parts has no floor: add it to Plan in internal/floors"},
		},
		"tests of the whole look everywhere": {pkg: Package{Path: "e2e", TestImports: []string{"graph", "cmd/server"}}},
		"a name that says nothing": {
			pkg:  Package{Path: "graph/util", Name: "util"},
			want: []string{`graph/util: a package is not called "util": name it after what it does`},
		},
		"a name hidden behind another": {
			pkg:  Package{Path: "graph/texts", Name: "helpers"},
			want: []string{`graph/texts: a package is not called "helpers": name it after what it does`},
		},
		"a long file": {
			pkg:  Package{Path: "graph", Files: []File{{Path: "graph/a.go", Lines: MaxLines + 1}, {Path: "graph/b.go", Lines: MaxLines}}},
			want: []string{"graph/a.go has 501 lines, more than 500: cut it by subject"},
		},
		"a long file that a tool wrote": {pkg: Package{Path: "graph/gen", Files: []File{{Path: "graph/gen/a.go", Lines: 9000, Generated: true}}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.pkg.Doc = true
			all := []Package{c.pkg}
			for _, p := range []string{"core", "core/store", "core/condition", "core/store/engine", "core/profile", "sdk", "sdk/wire", "graph", "graph/loader", "cmd/server"} {
				if p != c.pkg.Path {
					all = append(all, Package{Path: p, Doc: true})
				}
			}
			require.Equal(t, c.want, Check(plan, fences, all))
		})
	}
}

func TestCheckAsksForPackageComments(t *testing.T) {
	plan := []Floor{{Path: "graph/...", Level: 1}}
	got := Check(plan, nil, []Package{{Path: "graph"}, {Path: "graph/gen", Generated: true}})
	require.Equal(t, []string{"graph has no package comment: tell its idea in doc.go"}, got)
}

func TestReadTellsHandFromTool(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":              "module " + Module + "\n\ngo 1.26.0\n",
		"core/core.go":        "package core\n\nimport (\n\t\"fmt\"\n\n\t\"" + Module + "/graph\"\n)\n\nvar _ = fmt.Sprint(graph.N)\n",
		"core/core_test.go":   "package core\n\nimport _ \"testing\"\n",
		"core/x_test.go":      "package core_test\n\nimport _ \"" + Module + "/core\"\n",
		"graph/gen.go":        "// Code generated by a tool. DO NOT EDIT.\n\n// Package graph counts.\npackage graph\n\nconst N = 1\n",
		"nested/go.mod":       "module " + Module + "/nested\n\ngo 1.26.0\n",
		"nested/a_test.go":    "// Package nested only tests.\npackage nested\n\nimport _ \"testing\"\n",
		"node_modules/go.mod": "this is nobody's module",
	} {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	pkgs, err := Read(root)
	require.NoError(t, err)
	require.ElementsMatch(t, []Package{
		{
			Path: "core", Name: "core", Imports: []string{"fmt", "graph"}, TestImports: []string{"testing", "core"},
			Files: []File{{Path: "core/core.go", Lines: 9}, {Path: "core/core_test.go", Lines: 3}, {Path: "core/x_test.go", Lines: 3}},
		},
		{
			Path: "graph", Name: "graph", Doc: true, Generated: true, Imports: []string{}, TestImports: []string{},
			Files: []File{{Path: "graph/gen.go", Lines: 6, Generated: true}},
		},
		{
			Path: "nested", Name: "nested", Doc: true, Imports: []string{}, TestImports: []string{"testing"},
			Files: []File{{Path: "nested/a_test.go", Lines: 4}},
		},
	}, pkgs)
}
