package pluginhost

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// redactor takes out of log lines what must not stand there: the secrets of the
// configuration, in the forms in which they are met, and what looks like an address or a
// number of a person. A connector does the same for its own log, and is not believed.
type redactor struct {
	mu       sync.Mutex
	values   []string // as they were learnt
	secrets  []string // in all their forms
	replacer atomic.Pointer[strings.Replacer]
}

const (
	shortestSecret = 4   // a shorter value would garble everything else
	mostSecrets    = 200 // a connector that rotates its own without end must not fill our memory
)

func (r *redactor) learn(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		if len(s) >= shortestSecret && !slices.Contains(r.values, s) {
			r.values = append(r.values, s)
		}
	}
	if n := len(r.values); n > mostSecrets { // the configuration's came first, the ones in use last
		r.values = slices.Delete(r.values, mostSecrets/2, mostSecrets/2+n-mostSecrets)
	}
	r.secrets = r.secrets[:0]
	for _, s := range r.values {
		quoted := strconv.Quote(s)
		asJSON, _ := json.Marshal(s) // a string always can be
		for _, form := range []string{
			s, quoted[1 : len(quoted)-1], string(asJSON[1 : len(asJSON)-1]), url.QueryEscape(s), url.PathEscape(s),
			base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)),
		} {
			if !slices.Contains(r.secrets, form) {
				r.secrets = append(r.secrets, form)
			}
		}
	}
	// Longer ones first: one may begin like another.
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(r.secrets))
	for _, s := range r.secrets {
		pairs = append(pairs, s, "[secret]")
	}
	r.replacer.Store(strings.NewReplacer(pairs...))
}

var (
	address = regexp.MustCompile(`[^\s"'<>=:,;()\[\]{}]+@[^\s"'<>=:,;()\[\]{}]+\.[A-Za-z]{2,}`)
	number  = regexp.MustCompile(`\+[0-9][0-9 ().-]{6,18}[0-9]`)
)

func (r *redactor) text(s string) string {
	if p := r.replacer.Load(); p != nil {
		s = p.Replace(s)
	}
	if strings.Contains(s, "@") {
		s = address.ReplaceAllString(s, "[address]")
	}
	if strings.Contains(s, "+") {
		s = number.ReplaceAllString(s, "[number]")
	}
	return s
}

// secretsIn lists the values of a configuration that its schema marks as secrets.
func secretsIn(schema json.RawMessage, config []byte) []string {
	var root any
	if json.Unmarshal(config, &root) != nil {
		return nil
	}
	var out []string
	for _, path := range sdk.SecretPaths(schema) {
		node := root
		for _, name := range path {
			m, _ := node.(map[string]any)
			node = m[name]
		}
		out = append(out, leaves(node)...)
	}
	return out
}

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
		for _, e := range v {
			out = append(out, leaves(e)...)
		}
		return out
	}
	return nil
}
