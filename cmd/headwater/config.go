package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// loadConfig reads the file of --config: one level of flag names and values, the
// form that --print-config prints.
func loadConfig(r io.Reader) (kong.Resolver, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("config is not YAML of the form name: value: %w", err)
	}
	return &configFile{values}, nil
}

// configFile answers for the flags that the file names.
type configFile struct{ values map[string]any }

// Validate implements kong.Resolver: a name that no command has is a mistake.
func (c *configFile) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if f, ok := node.(*kong.Flag); ok {
			known[f.Name] = true
		}
		return next(nil)
	})
	for name := range c.values {
		if !known[name] {
			return fmt.Errorf("config: there is no flag %q", name)
		}
	}
	return nil
}

// Resolve implements kong.Resolver.
func (c *configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	v, ok := c.values[flag.Name]
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			ok = false // kong would let the file win over the environment
		}
	}
	if !ok {
		return nil, nil
	}
	if list, ok := v.([]any); ok {
		parts := make([]string, len(list))
		for i, e := range list {
			parts[i] = fmt.Sprint(e)
		}
		return strings.Join(parts, ","), nil
	}
	return fmt.Sprint(v), nil
}

// printConfig writes the values in force, in the form that --config reads, with
// passwords hidden.
func printConfig(w io.Writer, parsed *kong.Context) error {
	values := map[string]any{}
	var names []string
	for _, f := range parsed.Flags() {
		if slices.Contains([]string{"help", "version", "config", "print-config"}, f.Name) {
			continue
		}
		v := parsed.FlagValue(f)
		if v == "" { // not set: an empty file name or address would mean something else
			continue
		}
		names = append(names, f.Name)
		values[f.Name] = v
	}
	slices.Sort(names)
	for _, name := range names {
		v := values[name]
		if s, ok := v.(string); ok {
			v = redact(s)
		}
		if s, ok := v.(fmt.Stringer); ok {
			v = s.String()
		}
		line, err := yaml.Marshal(map[string]any{name: v})
		if err != nil {
			return fmt.Errorf("print config: %w", err)
		}
		if _, err := w.Write(line); err != nil {
			return fmt.Errorf("print config: %w", err)
		}
	}
	return nil
}

// redact hides the password of a connection string.
func redact(s string) string {
	if !strings.Contains(s, "://") {
		return s
	}
	u, err := url.Parse(s)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}
