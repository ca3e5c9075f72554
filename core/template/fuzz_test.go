package template

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var seeds = []string{
	typical, "{% case event.x %}{% when 99999999999999999999 %}x{% endcase %}", "{% for i in (1..3) %}{% cycle 'a', 'b' %}{% endfor %}",
	"{% for i in (1..99999999999999999999) %}{% endfor %}", "{{ 'a' | slice: 0, -1 }}", "{% raw %}{{ x {% endraw %}", "{%- if a -%} {{- b -}} {% endif %}", `<a href="{{ event.url }}"`,
	`{% object o = "order" id: event.id %}{{ o.x[o.y]["z"] }}`, "{% capture x %}{{ profile }}{% endcapture %}{{ x | escape }}", "{% comment %}{% if %}{% endcomment %}", "{{ a[a[a[0]]] }}", "{% cycle 1, 99999999999999999999 %}",
	"{% assign x = (((((1))))) %}{{ x }}", "{{ blank == profile.a }}", "{% liquid echo 1 %}", "{{ \"\\\" }}",
}

// FuzzTemplate parses and renders whatever comes: nothing panics, nothing takes long,
// and what is parsed keeps to the promises of its kind.
func FuzzTemplate(f *testing.F) {
	for _, s := range seeds {
		for k := range 3 {
			f.Add(s, uint8(k))
		}
	}
	data := typicalData()
	f.Fuzz(func(t *testing.T, source string, k uint8) { try(t, data, source, k) })
}

// try holds one source to what is promised of all.
func try(t *testing.T, data Data, source string, k uint8) {
	t.Helper()
	kind := []Kind{HTML, Text, Line}[k%3]
	tpl, found := Parse(source, kind, func(key string) (string, bool) { return "<b>{{ event.x | default: '' }}</b>", key == "b" })
	if tpl == nil {
		require.True(t, Errors(found))
		for _, one := range found {
			require.Positive(t, one.Line)
			require.Positive(t, one.Column)
			require.NotEmpty(t, one.Message)
		}
		return
	}
	tpl.Lint(nil, false)
	tpl.Paths()
	began := time.Now()
	out, err := tpl.Render(t.Context(), data, true)
	require.Less(t, time.Since(began), 10*time.Second)
	if err != nil {
		require.Less(t, len(err.Error()), 400)
		return
	}
	require.LessOrEqual(t, len(out.Text), MaxOutput)
	if kind == Line {
		for _, c := range out.Text {
			require.False(t, isControl(c))
		}
	}
}

// TestMutations tries what is nearly a template.
func TestMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	data := typicalData()
	rounds := 4000
	if testing.Short() {
		rounds = 500
	}
	for range rounds {
		s := seeds[r.IntN(len(seeds))]
		for range r.IntN(6) {
			if len(s) == 0 {
				break
			}
			i := r.IntN(len(s))
			switch r.IntN(4) {
			case 0:
				s = s[:i] + s[i+1:]
			case 1:
				s = s[:i] + string("{}%|.[]()'\"<> =a1-:,"[r.IntN(20)]) + s[i+1:]
			case 2:
				o := seeds[r.IntN(len(seeds))]
				s = s[:i] + o[r.IntN(len(o)):] + s[i:]
			case 3:
				j := min(len(s), i+r.IntN(20))
				s = s[:j] + s[i:j] + s[j:]
			}
		}
		try(t, data, s, uint8(r.IntN(3)))
	}
}
