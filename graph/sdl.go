package graph

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed schema/*.graphqls
var schema embed.FS

// SDL returns the whole schema in the schema definition language.
func SDL() string {
	names, err := fs.Glob(schema, "schema/*.graphqls")
	if err != nil {
		panic(err) // the pattern is constant
	}
	var b strings.Builder
	for i, name := range names {
		text, err := fs.ReadFile(schema, name)
		if err != nil {
			panic(err) // the files are inside the binary
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.Write(text)
	}
	return b.String()
}
