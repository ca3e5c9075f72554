package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The checks that are usual for GraphQL endpoints, asked as a marketer, as an analyst and
// as nobody. A finding is a sentence; there are to be none.
var copChecks = []struct {
	name  string
	found func(w *world, key string) string
}{
	{"alias overloading", func(w *world, key string) string {
		return ran(w.copPost(key, "{"+repeat(101, func(i int) string { return fmt.Sprintf("a%d:__typename ", i) })+"}"))
	}},
	{"array of operations", func(w *world, key string) string {
		body := "[" + strings.TrimSuffix(strings.Repeat(`{"query":"{__typename}"},`, 11), ",") + "]"
		return ran(w.send(http.MethodPost, "", "application/json", []byte(body), bearerOf(key)...))
	}},
	{"directive overloading", func(w *world, key string) string {
		a := w.copPost(key, "{__typename "+strings.Repeat("@aa", 10)+"}")
		if len(a.Errors) > 10 {
			return "an error for every directive"
		}
		return ran(w.copPost(key, "{__typename "+strings.Repeat("@include(if:true) ", 100)+"}"))
	}},
	{"field duplication", func(w *world, key string) string {
		return ran(w.copPost(key, "{viewer{"+strings.Repeat("id ", 2000)+"}}"))
	}},
	{"circular introspection", func(w *world, key string) string {
		return ran(w.copPost(key, `{__schema{types{fields{type{fields{type{fields{type{fields{type{name}}}}}}}}}}}`))
	}},
	{"circular fragments", func(w *world, key string) string {
		return ran(w.copPost(key, `{...a} fragment a on Query{...b} fragment b on Query{...a}`))
	}},
	{"introspection by nobody", func(w *world, key string) string {
		if key != "" {
			return ""
		}
		return ran(w.copPost(key, `{__schema{queryType{name}}}`))
	}},
	{"GraphiQL that knows a secret", func(w *world, key string) string {
		resp, err := w.http.Client().Get(w.http.URL + "/")
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		if resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("Content-Security-Policy") == "" {
			return "GraphiQL sets a cookie, or has no content security policy"
		}
		return ""
	}},
	{"field suggestions", func(w *world, key string) string {
		a := w.copPost(key, `{viewer{idd} profil{id} __schema{directive}}`)
		if strings.Contains(strings.ToLower(string(a.Body)), "did you mean") {
			return "an error suggests names of fields"
		}
		return ""
	}},
	{"mutation by GET", func(w *world, key string) string {
		return ran(w.send(http.MethodGet, "?query="+url.QueryEscape(`mutation{ingest(input:{events:[]}){accepted}}`), "", nil, append(bearerOf(key), "X-Headwater-CSRF", "1", "Apollo-Require-Preflight", "1")...))
	}},
	{"query by GET without a preflight", func(w *world, key string) string {
		return ran(w.send(http.MethodGet, "?query="+url.QueryEscape(`{__typename}`), "", nil)) // a page cannot add the key's header either
	}},
	{"POST of a form", func(w *world, key string) string {
		return ran(w.send(http.MethodPost, "", "application/x-www-form-urlencoded", []byte("query="+url.QueryEscape(`{__typename}`)), bearerOf(key)...))
	}},
	{"POST of plain text", func(w *world, key string) string {
		return ran(w.send(http.MethodPost, "", "text/plain", []byte(`{"query":"{__typename}"}`), bearerOf(key)...))
	}},
	{"tracing", func(w *world, key string) string {
		a := w.copPost(key, `{__typename}`, "X-Apollo-Tracing", "1", "Apollo-Federation-Include-Trace", "ftv1")
		if strings.Contains(string(a.Body), "tracing") || strings.Contains(string(a.Body), "ftv1") {
			return "the answer tells how long its parts took"
		}
		return ""
	}},
	{"unhandled errors", func(w *world, key string) string {
		for _, body := range []string{`{"query":"{"}`, `{"query":5}`, `{"query":"query($a:Int!){__typename}"}`, `null`, `{"query":"{profile(id:\"\\u0000\"){id}}"}`, `{"query":"{node(id:\"prof_/../x\"){id}}"}`} {
			a := w.send(http.MethodPost, "", "application/json", []byte(body), bearerOf(key)...)
			for _, mark := range []string{"panic", "goroutine", ".go:", "exception", "stacktrace", "/tmp/", "runtime error", "INTERNAL"} {
				if strings.Contains(string(a.Body), mark) {
					return fmt.Sprintf("%s is answered with the inside of the server: %.200s", body, a.Body)
				}
			}
		}
		return ""
	}},
}

func bearerOf(key string) []string {
	if key == "" {
		return nil
	}
	return []string{"Authorization", "Bearer " + key}
}

func (w *world) copPost(key, query string, headers ...string) answer {
	body, err := json.Marshal(map[string]any{"query": query})
	require.NoError(w.t, err)
	return w.send(http.MethodPost, "", "application/json", body, append(bearerOf(key), headers...)...)
}

// ran says that a request was run that should have been refused.
func ran(a answer) string {
	if len(a.Errors) > 0 && len(a.Data) == 0 || a.Status >= 400 && len(a.Data) == 0 {
		return ""
	}
	return fmt.Sprintf("it was run: %d %.200s", a.Status, a.Body)
}

func TestTheUsualChecksFindNothing(t *testing.T) {
	w := newWorld(t)
	for who, key := range map[string]string{"marketer": w.marketer, "analyst": w.analyst, "nobody": ""} {
		for _, check := range copChecks {
			t.Run(who+"/"+check.name, func(t *testing.T) {
				require.Empty(t, check.found(w, key))
			})
		}
	}
}
