package sdk

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// shortestSecret is the length below which a value is no secret worth the name: taking
// it out would garble everything else.
const shortestSecret = 4

const redacted = "[secret]"

// redactor takes secrets out of what leaves the process by its log and its faults.
type redactor struct {
	mu       sync.Mutex
	known    map[string]bool
	replacer atomic.Pointer[strings.Replacer]
}

// learn adds secrets, in the forms in which they are likely to be met.
func (r *redactor) learn(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[string]bool{}
	}
	for _, s := range secrets {
		if len(s) < shortestSecret {
			continue
		}
		quoted := strconv.Quote(s)
		for _, form := range []string{
			s, url.QueryEscape(s), url.PathEscape(s), quoted[1 : len(quoted)-1],
			base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)),
		} {
			r.known[form] = true
		}
	}
	forms := make([]string, 0, 2*len(r.known))
	// Longer ones first: one secret may begin like another.
	for _, form := range byLength(r.known) {
		forms = append(forms, form, redacted)
	}
	r.replacer.Store(strings.NewReplacer(forms...))
}

func (r *redactor) text(s string) string {
	if p := r.replacer.Load(); p != nil {
		return p.Replace(s)
	}
	return s
}

// value does the same for what encoding/json makes.
func (r *redactor) value(v any) any {
	switch v := v.(type) {
	case string:
		return r.text(v)
	case json.Number:
		// A secret may be a number.
		if s := r.text(v.String()); s != v.String() {
			return s
		}
	case []any:
		for i := range v {
			v[i] = r.value(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = r.value(v[k])
		}
	}
	return v
}

func (r *redactor) fault(f *Fault) *Fault {
	g := *f
	g.Reason, g.Message, g.Path = clip(r.text(f.Reason)), clip(r.text(f.Message)), clip(r.text(f.Path))
	g.cause = nil
	return &g
}

// SecretPaths lists where a schema marks secrets ("writeOnly": true): the names of the
// properties from the outside in.
func SecretPaths(schema json.RawMessage) [][]string {
	var paths [][]string
	var walk func(node map[string]any, at []string)
	walk = func(node map[string]any, at []string) {
		if marked, _ := node["writeOnly"].(bool); marked && len(at) > 0 {
			paths = append(paths, append([]string(nil), at...))
			return
		}
		properties, _ := node["properties"].(map[string]any)
		for _, name := range sortedKeys(properties) {
			if child, ok := properties[name].(map[string]any); ok {
				walk(child, append(at, name))
			}
		}
		// A form may depend on a choice; the secrets of each choice are secrets.
		for _, word := range []string{"allOf", "anyOf", "oneOf"} {
			branches, _ := node[word].([]any)
			for _, b := range branches {
				if child, ok := b.(map[string]any); ok {
					walk(child, at)
				}
			}
		}
		for _, word := range []string{"if", "then", "else"} {
			if child, ok := node[word].(map[string]any); ok {
				walk(child, at)
			}
		}
	}
	var root map[string]any
	if json.Unmarshal(schema, &root) == nil {
		walk(root, nil)
	}
	return paths
}

// secretsOf lists the secrets that a configuration holds.
func secretsOf(schema json.RawMessage, config Config) []string {
	var root any
	if json.Unmarshal(config, &root) != nil {
		return nil
	}
	var out []string
	for _, path := range SecretPaths(schema) {
		node := root
		for _, name := range path {
			m, _ := node.(map[string]any)
			node = m[name]
		}
		out = append(out, leaves(node)...)
	}
	return out
}

// leaves lists the strings and numbers in a value: a secret may be an object.
func leaves(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, leaves(e)...)
		}
		return out
	case map[string]any:
		var out []string
		for _, k := range sortedKeys(v) {
			out = append(out, leaves(v[k])...)
		}
		return out
	}
	return nil
}
