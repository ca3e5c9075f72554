package object

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// column is what a column of a CSV file means.
type column struct {
	skip     bool
	external bool
	at       bool // when the line held
	field    *Field
	member   string // amount, currency, lat or lon, of a field whose members have columns of their own
	relation string
	space    string // namespace of a link
}

// mapColumns checks a mapping against a header: header → "externalId", a field's
// key, "price.amount" for a member of MONEY or GEO, or "link.relation" with the
// namespace after another dot for people ("link.buyer.email"), or "$at", when the line
// held, which is "at" too where no field has that key. Columns that are not
// named are left out; without a mapping the headers are targets themselves.
func (t *Type) mapColumns(header []string, mapping map[string]string) ([]column, *core.Error) {
	out := make([]column, len(header))
	found, external := map[string]bool{}, false
	for i, h := range header {
		h = strings.TrimSpace(strings.TrimPrefix(h, "\ufeff"))
		target, named := mapping[h]
		if mapping == nil {
			target, named = h, true
		}
		found[h] = true
		if !named {
			out[i].skip = true
			continue
		}
		c, err := t.column(target)
		if err != nil {
			return nil, err.At("header", strconv.Itoa(i))
		}
		external = external || c.external
		out[i] = c
	}
	for h := range mapping {
		if !found[h] {
			return nil, invalid("MAPPING", "the file has no column %q", h).At("mapping", h)
		}
	}
	if !external {
		return nil, invalid("MAPPING", "one column is the externalId; is the first line a header?").At("header")
	}
	return out, nil
}

func (t *Type) column(target string) (column, *core.Error) {
	if target == "externalId" {
		return column{external: true}, nil
	}
	if target == "$at" || target == "at" && t.Field("at") == nil {
		return column{at: true}, nil
	}
	if rest, ok := strings.CutPrefix(target, "link."); ok {
		key, space, _ := strings.Cut(rest, ".")
		r := t.Relation(key)
		if r == nil {
			return column{}, t.unknownRelation(key)
		}
		if (r.Target == "") != (space != "") {
			return column{}, invalid("MAPPING", "link.%s leads to people with a namespace after it, like link.%s.email, and to records without", key, key)
		}
		return column{relation: key, space: space}, nil
	}
	key, member, has := strings.Cut(target, ".")
	f := t.Field(key)
	if f == nil {
		return column{}, unknownField(t, key)
	}
	members := map[FieldType]string{Money: "amount currency", Geo: "lat lon"}[f.Type]
	if has && (f.Many || !strings.Contains(" "+members+" ", " "+member+" ")) {
		return column{}, invalid("MAPPING", "the field %s has no member of that name", key)
	}
	return column{field: f, member: member}, nil
}

// itemOf makes an item of the cells of a line. Empty cells are left out.
func itemOf(columns []column, cells []string) (Item, *core.Error) {
	var it Item
	fields := map[string]any{}
	for i, c := range columns {
		cell := strings.TrimSpace(cells[i])
		switch {
		case c.skip || cell == "":
		case c.external:
			it.ExternalID = cell
		case c.at:
			at, err := time.Parse(time.RFC3339, cell)
			if err != nil {
				return it, invalid("TIMESTAMP_INVALID", "the time is written as 2026-11-21T10:00:00Z").At("at")
			}
			it.At = at.UTC()
		case c.relation != "":
			if it.Links == nil {
				it.Links = map[string][]Link{}
			}
			for v := range strings.SplitSeq(cell, ";") {
				it.Links[c.relation] = append(it.Links[c.relation], Link{Namespace: c.space, Value: strings.Clone(v)})
			}
		default:
			v, err := c.value(strings.Clone(cell))
			if err != nil {
				return it, err.At("fields", c.field.Key)
			}
			if c.member == "" {
				fields[c.field.Key] = v
				continue
			}
			m, _ := fields[c.field.Key].(map[string]any)
			if m == nil {
				m = map[string]any{}
				fields[c.field.Key] = m
			}
			m[c.member] = v
		}
	}
	it.ExternalID = strings.Clone(it.ExternalID)
	if len(fields) > 0 {
		it.Fields = fields
	}
	return it, nil
}

// value reads a cell as the field holds it: several values stand between semicolons
// or are a JSON array.
func (c *column) value(cell string) (any, *core.Error) {
	if c.member != "" {
		if c.member == "currency" {
			return cell, nil
		}
		return c.field.number(cell)
	}
	if !c.field.Many {
		return c.field.cell(cell)
	}
	if strings.HasPrefix(cell, "[") {
		return c.field.json(cell)
	}
	var out []any
	for part := range strings.SplitSeq(cell, ";") {
		v, err := c.field.cell(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (f *Field) cell(s string) (any, *core.Error) {
	switch f.Type {
	case Integer, Decimal:
		return f.number(s)
	case Boolean:
		switch strings.ToLower(s) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
		return nil, f.wrong(ReasonFieldType)
	case Money: // "12.50 EUR"
		amount, currency, ok := strings.Cut(s, " ")
		if ok {
			n, err := f.number(amount)
			return map[string]any{"amount": n, "currency": strings.TrimSpace(currency)}, err
		}
		return f.json(s)
	case JSON, Geo:
		return f.json(s)
	}
	return s, nil
}

func (f *Field) number(s string) (any, *core.Error) {
	n, ok := parseNum(s)
	if !ok {
		return nil, f.wrong(ReasonFieldType)
	}
	return json.Number(n.literal()), nil
}

func (f *Field) json(s string) (any, *core.Error) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		return nil, f.wrong(ReasonFieldType)
	}
	return v, nil
}
