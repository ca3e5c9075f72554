package layout

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/template"
)

// Compile makes Liquid of a document for readers of a language (a locale), and returns
// the conditions by which blocks are shown: by the names that the source asks for under
// show.
func (d *Document) Compile(locale string) (source string, conditions map[string]*condition.Node) {
	w := &writer{d: d, show: map[string]*condition.Node{}}
	w.line(`<!DOCTYPE html>`)
	w.linef(`<html lang="%s"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="x-apple-disable-message-reformatting"><title></title>`, attribute(locale))
	w.line(`<style>@media (max-width:620px){.hw-col{display:block!important;width:100%!important}.hw-img{height:auto!important;max-width:100%!important}}</style></head>`)
	w.linef(`<body style="margin:0;padding:0;background-color:%s">`, d.Background)
	w.linef(`<table role="presentation" width="100%%" cellpadding="0" cellspacing="0" border="0" bgcolor="%[1]s" style="background-color:%[1]s"><tr><td align="center" style="padding:16px 0">`, d.Background)
	w.linef(`<table role="presentation" width="%[1]d" cellpadding="0" cellspacing="0" border="0" bgcolor="%[2]s" style="width:100%%;max-width:%[1]dpx;background-color:%[2]s">`, d.Width, d.Card)
	w.blocks("b", d.Blocks, d.Width)
	w.line(`</table></td></tr></table></body></html>`)
	return w.b.String(), w.show
}

type writer struct {
	b    strings.Builder
	d    *Document
	show map[string]*condition.Node
}

func (w *writer) line(s string) {
	w.b.WriteString(s)
	w.b.WriteByte('\n')
}

func (w *writer) linef(format string, args ...any) { w.line(fmt.Sprintf(format, args...)) }

// padding is around each block, left and right.
const padding = 24

// blocks writes blocks as rows of a table of that width.
func (w *writer) blocks(name string, blocks []Block, width int) {
	for i := range blocks {
		b := &blocks[i]
		own := fmt.Sprintf("%s%d", name, i)
		if len(b.Where) > 0 {
			if n, err := condition.ParseJSON(b.Where); err == nil {
				w.show[own] = n
				w.line("{% if show." + own + " %}")
			}
		}
		w.block(own, b, width)
		if w.show[own] != nil {
			w.line("{% endif %}")
		}
	}
}

func (w *writer) cell(align, style, content string) {
	w.linef(`<tr><td align="%s" style="padding:8px %dpx;%s">%s</td></tr>`, align, padding, style, content)
}

func (w *writer) font(size, line int, more string) string {
	return fmt.Sprintf("font-family:%s;font-size:%dpx;line-height:%dpx;color:%s;%s", w.d.Font, size, line, w.d.Color, more)
}

func (w *writer) block(name string, b *Block, width int) {
	switch {
	case b.Heading != nil:
		size := []int{28, 22, 18}[b.Heading.Level-1]
		w.cell(b.Heading.Align, "", fmt.Sprintf(`<h%[1]d style="margin:0;%[2]s">%[3]s</h%[1]d>`, b.Heading.Level, w.font(size, size*5/4, "font-weight:bold"), w.inline(b.Heading.Text)))
	case b.Text != nil:
		for _, p := range paragraphs(b.Text.Text) {
			w.cell(b.Text.Align, "", fmt.Sprintf(`<p style="margin:0;%s">%s</p>`, w.font(16, 24, ""), w.inline(p)))
		}
	case b.Image != nil:
		w.image(b.Image, width)
	case b.Button != nil:
		w.button(b.Button)
	case b.Columns != nil:
		w.columns(name, b.Columns, width)
	case b.Divider != nil:
		w.cell("left", "", fmt.Sprintf(`<table role="presentation" width="100%%" cellpadding="0" cellspacing="0" border="0"><tr><td height="1" style="border-top:1px solid %s;font-size:0;line-height:0">&nbsp;</td></tr></table>`, b.Divider.Color))
	case b.Products != nil:
		w.products(b.Products)
	case b.Footer != nil:
		w.footer(b.Footer)
	case b.Shared != nil:
		w.cell("left", w.font(16, 24, ""), `{% block "`+b.Shared.Key+`" %}`)
	}
}

func (w *writer) image(m *Image, width int) {
	wide := m.Width
	if wide == 0 || wide > width-2*padding {
		wide = width - 2*padding
	}
	tag := fmt.Sprintf(`<img class="hw-img" src="%s" alt="%s" width="%d" border="0" style="display:block;width:%dpx;max-width:100%%;border:0">`, attribute(m.Src), attribute(m.Alt), wide, wide)
	if m.Href != "" {
		tag = fmt.Sprintf(`<a href="%s" target="_blank" style="text-decoration:none">%s</a>`, attribute(m.Href), tag)
	}
	w.cell(m.Align, "", tag)
}

// button is a cell with padding, which every mail program draws; of a link alone Outlook
// would drop the padding.
func (w *writer) button(b *Button) {
	w.cell(b.Align, "", fmt.Sprintf(
		`<table role="presentation" cellpadding="0" cellspacing="0" border="0"><tr><td align="center" bgcolor="%[1]s" style="background-color:%[1]s;border-radius:4px;padding:12px 24px"><a href="%[2]s" target="_blank" style="font-family:%[3]s;font-size:16px;line-height:20px;font-weight:bold;color:%[4]s;text-decoration:none">%[5]s</a></td></tr></table>`,
		b.Background, attribute(b.Href), w.d.Font, b.Color, attribute(b.Text)))
}

func (w *writer) columns(name string, c *Columns, width int) {
	wide := width / len(c.Columns)
	w.linef(`<tr><td style="padding:0"><table role="presentation" width="100%%" cellpadding="0" cellspacing="0" border="0"><tr>`)
	for i, col := range c.Columns {
		w.linef(`<td class="hw-col" width="%[1]d" valign="top" style="width:%[1]dpx"><table role="presentation" width="100%%" cellpadding="0" cellspacing="0" border="0">`, wide)
		w.blocks(fmt.Sprintf("%s_%d_", name, i), col.Blocks, wide)
		w.line(`</table></td>`)
	}
	w.line(`</tr></table></td></tr>`)
}

func (w *writer) products(p *Products) {
	item := "item"
	w.linef(`{%% for %s in %s limit: %d %%}`, item, p.Of, p.Limit)
	w.line(`<tr><td style="padding:8px 24px"><table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr>`)
	w.linef(`{%% if item.%[1]s %%}<td width="96" valign="top" style="width:96px"><img class="hw-img" src="{{ item.%[1]s }}" alt="{{ item.%[2]s | default: "" }}" width="80" border="0" style="display:block;width:80px;border:0"></td>{%% endif %%}`, p.Image, p.Name)
	w.linef(`<td valign="top" style="%s">{%% if item.%s %%}<a href="{{ item.%[2]s }}" target="_blank" style="color:%s;text-decoration:none">{{ item.%s | default: "" }}</a>{%% else %%}{{ item.%[4]s | default: "" }}{%% endif %%}</td>`, w.font(16, 24, ""), p.URL, w.d.Link, p.Name)
	price := fmt.Sprintf(`{%% if item.%[1]s %%}{{ item.%[1]s | fixed: 2 }} %[2]s{%% endif %%}`, p.Price, attribute(p.Currency))
	w.linef(`<td align="right" valign="top" width="110" style="width:110px;%s">%s</td></tr></table></td></tr>`, w.font(16, 24, "white-space:nowrap"), price)
	w.line(`{% endfor %}`)
}

func (w *writer) footer(f *Footer) {
	small := w.font(12, 18, "")
	if f.Text != "" {
		for _, p := range paragraphs(f.Text) {
			w.cell("center", "", fmt.Sprintf(`<p style="margin:0;%s">%s</p>`, small, w.inline(p)))
		}
	}
	w.cell("center", "", fmt.Sprintf(`<p style="margin:0;%s">%s</p>`, small, w.inline(f.Address)))
	unsubscribe, preferences := f.Unsubscribe, f.Preferences
	if unsubscribe == "" {
		unsubscribe = "Unsubscribe"
	}
	if preferences == "" {
		preferences = "Preferences"
	}
	link := `<a href="{{ %s | default: "#" }}" target="_blank" style="color:` + w.d.Link + `;text-decoration:underline">%s</a>`
	w.cell("center", "", fmt.Sprintf(`<p style="margin:0;%s">%s &nbsp; %s</p>`, small,
		fmt.Sprintf(link, "unsubscribeUrl", attribute(unsubscribe)), fmt.Sprintf(link, "preferencesUrl", attribute(preferences))))
}

// liquid matches what is not text.
var liquid = regexp.MustCompile(`(?s)\{\{.*?\}\}|\{%.*?%\}`)

// around calls f with the text between the tags of a source.
func around(source string, f func(string) string) string {
	var b strings.Builder
	at := 0
	for _, m := range liquid.FindAllStringIndex(source, -1) {
		b.WriteString(f(source[at:m[0]]))
		b.WriteString(source[m[0]:m[1]])
		at = m[1]
	}
	b.WriteString(f(source[at:]))
	return b.String()
}

// attribute returns a source for a text or an attribute in double quotes.
func attribute(source string) string { return around(source, template.Escape) }

func paragraphs(source string) []string {
	var out []string
	for _, p := range regexp.MustCompile(`\n[ \t]*\n`).Split(strings.ReplaceAll(source, "\r\n", "\n"), -1) {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, strings.ReplaceAll(p, "\n", " "))
		}
	}
	return out
}

var (
	linkForm = regexp.MustCompile(`\[([^\]\n]+)\]\(((?:\{\{.*?\}\}|[^()\s])+)\)`)
	boldForm = regexp.MustCompile(`\*\*([^*\n]+)\*\*`)
)

// inline returns a source with its bold and its links as HTML.
func (w *writer) inline(source string) string {
	s := attribute(source)
	s = linkForm.ReplaceAllString(s, `<a href="$2" target="_blank" style="color:`+w.d.Link+`;text-decoration:underline">$1</a>`)
	return boldForm.ReplaceAllString(s, `<b>$1</b>`)
}
