package condition

import "strings"

// MaxKeys is how many keys a path may have.
const MaxKeys = 20

// SplitPath takes a dotted path apart into keys: a dot inside a key is written
// "\.", a backslash "\\".
func SplitPath(path string) []string {
	var out []string
	var key strings.Builder
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' && i+1 < len(path):
			i++
			key.WriteByte(path[i])
		case c == '.':
			out = append(out, key.String())
			key.Reset()
		default:
			key.WriteByte(c)
		}
	}
	return append(out, key.String())
}

var escaper = strings.NewReplacer(`\`, `\\`, `.`, `\.`)

// JoinPath is the reverse of SplitPath.
func JoinPath(keys ...string) string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = escaper.Replace(k)
	}
	return strings.Join(out, ".")
}

// dotted reads a path, escaped no more than it has to be.
func (r *reader) dotted(m map[string]any, key string) string {
	s := r.name(m, key)
	if s == "" {
		return ""
	}
	r.at(key, func() {
		keys := SplitPath(s)
		switch {
		case len(keys) > MaxKeys:
			r.fault(ReasonPath, "a path has at most %d keys", MaxKeys)
		case strings.HasSuffix(strings.ReplaceAll(s, `\\`, ""), `\`):
			r.fault(ReasonPath, `a backslash stands before a dot or another backslash; write "\\" for one`)
		default:
			for _, k := range keys {
				if k == "" {
					r.fault(ReasonPath, `a path is keys with dots between them, such as "address.country"; a dot inside a key is written "\."`)
					return
				}
			}
			s = JoinPath(keys...)
		}
	})
	return s
}
