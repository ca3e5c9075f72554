package template

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMissing(t *testing.T) {
	data := Data{Roots: map[string]any{
		"profile": map[string]any{"first": "Ana", "empty": " ", "no": false, "zero": 0},
		"event":   map[string]any{"items": []any{map[string]any{"name": "Kettle"}, map[string]any{"price": 3}}},
	}, Objects: map[string]any{"order": nil}}
	for _, c := range []struct {
		source  string
		missing []string // what strict renders name
		lint    int      // how many outputs need a fallback
	}{
		{"{{ profile.first }}", nil, 1},
		{"{{ profile.last }}", []string{"profile.last"}, 1},
		{"{{ profile.empty }}", []string{"profile.empty"}, 1},
		{"{{ profile.no }}{{ profile.zero }}", nil, 2},
		{"{{ profile.last | default: 'you' }}", nil, 0},
		{"{{ profile.last | upcase | default: 'you' }}", nil, 0},
		{"{{ profile.last | default: profile.first }}", nil, 1},
		{"{{ profile.first | default: profile.last }}", nil, 1},
		{"{{ profile.last | default: profile.nick }}", []string{"profile.nick"}, 1},
		{"{{ profile.last | upcase }}", []string{"profile.last"}, 1},
		{"{{ 'Hi ' | append: profile.last }}", []string{"profile.last"}, 1},
		{"{% if profile.last %}{{ profile.last }}{% endif %}", nil, 0},
		{"{% if profile.last != blank and profile.first %}{{ profile.first }}{% endif %}", nil, 0},
		{"{% if profile.last %}{% else %}{{ profile.last }}{% endif %}", []string{"profile.last"}, 1},
		{"{% if profile.first == 'Ana' %}{{ profile.first }}{% endif %}", nil, 0},
		{"{% case profile.first %}{% when 'Ana' %}{{ profile.first }}{% endcase %}", nil, 0},
		{"{% for i in event.items %}{{ i.name }}{% endfor %}", []string{"event.items[].name"}, 1},
		{"{% for i in event.items %}{{ i.name | default: '-' }}{{ forloop.index }}{% endfor %}", nil, 0},
		{"{% for i in event.none %}{{ i.name }}{% endfor %}", nil, 1},
		{"{% assign l = profile.last %}{{ l }}", []string{"profile.last"}, 1},
		{"{% assign l = profile.last | default: 'x' %}{{ l }}", nil, 0},
		{"{% assign l = profile.last | upcase %}{{ l }}", []string{"profile.last"}, 1},
		{"{% assign l = 3 %}{{ l }}{% capture c %}x{% endcapture %}{{ c }}", nil, 0},
		{`{% object order = "order" id: event.id %}{{ order.total }}`, []string{"order.total"}, 1},
		{"{{ profile.a }}{{ profile.b }}{{ profile.a }}", []string{"profile.a", "profile.b"}, 3},
	} {
		tpl := parsed(t, Text, c.source)
		out, err := tpl.Render(t.Context(), data, true)
		require.NoError(t, err, c.source)
		require.Equal(t, c.missing, out.Missing, c.source)
		if len(c.missing) > 0 {
			require.Empty(t, out.Text)
		}
		unsure := 0
		for _, f := range tpl.Lint(nil, false) {
			if f.Code == CodeNoFallback {
				unsure++
				require.Equal(t, LevelError, f.Level)
			}
		}
		require.Equal(t, c.lint, unsure, c.source)
		require.Empty(t, tpl.Lint(nil, true), c.source)
	}
}

func TestPaths(t *testing.T) {
	tpl := parsed(t, HTML, `{% object order = "order" id: event.orderId %}{% object cards = "card" relation: "owner" limit: 3 %}{% object items = "product" ids: event.items.sku %}
{% assign who = profile.address %}{{ who.city | default: profile['first name'] }}{% for c in cards %}{{ c.number }}{% endfor %}
{% for i in event.items %}{{ i.price }}{% if forloop.first %}{{ forloop.index }}{% endif %}{% endfor %}
{% assign names = event.items | map: "name" %}{% for n in names %}{{ n }}{% endfor %}{{ order.total }}{{ items.first.title }}`)
	var got []string
	for _, r := range tpl.Paths() {
		got = append(got, r.Root+"|"+r.Type+"|"+r.Path)
	}
	require.ElementsMatch(t, []string{
		"object|card|", "object|card|number", "object|product|first.title", "object|order|total", "event||items", "event||items.sku", "event||items[].name", "event||items[].name[]", "event||items[].price",
		"event||orderId", "profile||address", "profile||address.city", "profile||first name",
	}, got)
	require.Equal(t, []Lookup{
		{Name: "order", Type: "order", Path: "event.orderId", Limit: 10},
		{Name: "cards", Type: "card", Relation: "owner", Many: true, Limit: 3},
		{Name: "items", Type: "product", Path: "event.items.sku", Many: true, Limit: 10},
	}, tpl.Lookups())
	roots := map[string]any{"event": map[string]any{"orderId": 7, "items": []any{map[string]any{"sku": "a"}, map[string]any{}, map[string]any{"sku": "b"}}}}
	require.Equal(t, []string{"7"}, tpl.Lookups()[0].IDs(roots))
	require.Equal(t, []string{"a", "b"}, tpl.Lookups()[2].IDs(roots))
}

func TestUnknownRoot(t *testing.T) {
	found := parsed(t, Text, "x\n {{ profil.name | default: '' }}").Lint(nil, false)
	require.Len(t, found, 1)
	require.Equal(t, Finding{Line: 2, Column: 5, Level: LevelError, Code: CodeUnknownRoot, Message: found[0].Message}, found[0])
	require.Contains(t, found[0].Message, "did you mean profile?")
}

func TestBlocks(t *testing.T) {
	blocks := map[string]string{"head": "<b>{{ profile.first | default: 'x' }}</b>", "bad": "\n{% foo %}", "nested": `{% block "head" %}`}
	find := func(key string) (string, bool) { s, ok := blocks[key]; return s, ok }
	tpl, found := Parse("a {%- block \"head\" -%} b{% raw %}{% block \"head\" %}{% endraw %}", HTML, find)
	require.NotNil(t, tpl, "%v", found)
	out, err := tpl.Render(t.Context(), Data{}, true)
	require.NoError(t, err)
	require.Equal(t, `a<b>x</b>b{% block "head" %}`, out.Text)
	require.Equal(t, []string{"head"}, tpl.Blocks())
	_, found = Parse(`x{% block "bad" %}`, HTML, find)
	require.Equal(t, "bad", found[0].Block)
	require.Equal(t, 2, found[0].Line)
	_, found = Parse(`{% block "nested" %}`, HTML, find)
	require.Equal(t, CodeUnknownBlock, found[0].Code)
}

func TestTextOf(t *testing.T) {
	require.Equal(t, `Hello Ana,

Your cart waits (https://shop.example/?a=1&b=2)

- Kettle
- Mug

Total 9.00
https://shop.example/x

A cat

---

Bye
second line
`, TextOf(`<html><head><title>no</title><style>p{}</style></head><body><div style="display: none">hidden <b>x</b></div>
<p>Hello   <b>Ana</b>,</p><p><a href="https://shop.example/?a=1&amp;b=2">Your cart waits</a></p><ul><li>Kettle</li><li>Mug</li></ul>
<table><tr><td>Total</td><td>9.00</td></tr><tr><td><a href="https://shop.example/x">https://shop.example/x</a></td></tr></table>
<img src="x.png" alt="A cat"><hr><p>Bye<br>second line</p><script>x</script></body></html>`))
}

// One template is rendered by many at once.
func TestRendersAtOnce(t *testing.T) {
	tpl := parsed(t, HTML, typical)
	data := typicalData()
	want, err := tpl.Render(t.Context(), data, true)
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				got, err := tpl.Render(context.Background(), data, true)
				if err != nil || got.Text != want.Text {
					t.Errorf("%v %q", err, got.Text)
					return
				}
			}
		})
	}
	all.Wait()
}
