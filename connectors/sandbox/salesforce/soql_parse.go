package salesforce

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// soql is a query that was read and checked against its object.
type soql struct {
	object *object
	count  bool // SELECT COUNT()
	fields []field
	where  expr // nil: all
	order  []order
	limit  int // -1: none
	offset int
}

// order is one term of ORDER BY.
type order struct {
	field      field
	descending bool
	nullsLast  bool
}

// expr is a condition over a row.
type expr func(*row) bool

// parser reads one query. Its methods answer the first fault they meet.
type parser struct {
	query  string
	tokens []token
	pos    int
	object *object
}

// parseSOQL reads SELECT … FROM … [WHERE …] [ORDER BY …] [LIMIT n] [OFFSET n].
// Beside the operators there is no function, no sub-query and no path to a parent.
func parseSOQL(query string, object func(name string) *object) (*soql, *fault) {
	tokens, bad := lex(query)
	if bad != nil {
		return nil, bad
	}
	p := &parser{query: query, tokens: tokens}
	return p.read(object)
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != endToken {
		p.pos++
	}
	return t
}

// is takes the next token when it is this keyword or sign.
func (p *parser) is(text string) bool {
	t := p.peek()
	if (t.kind == wordToken || t.kind == signToken) && strings.EqualFold(t.text, text) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) unexpected(t token) *fault {
	return malformed(p.query, t.at, fmt.Sprintf("unexpected token: '%s'", t.shown()))
}

func (p *parser) need(text string) *fault {
	if !p.is(text) {
		return p.unexpected(p.peek())
	}
	return nil
}

func (p *parser) read(object func(string) *object) (*soql, *fault) {
	q := &soql{limit: -1}
	if bad := p.need("SELECT"); bad != nil {
		return nil, bad
	}
	var columns []token
	if p.is("COUNT") {
		if bad := p.need("("); bad != nil {
			return nil, bad
		}
		if bad := p.need(")"); bad != nil {
			return nil, bad
		}
		q.count = true
	} else {
		for {
			t := p.next()
			if t.kind != wordToken || strings.EqualFold(t.text, "FROM") {
				return nil, p.unexpected(t)
			}
			columns = append(columns, t)
			if !p.is(",") {
				break
			}
		}
	}
	if bad := p.need("FROM"); bad != nil {
		return nil, bad
	}
	from := p.next()
	if from.kind != wordToken {
		return nil, p.unexpected(from)
	}
	if q.object = object(from.text); q.object == nil {
		return nil, located(p.query, from.at, "INVALID_TYPE", fmt.Sprintf("sObject type '%s' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.", from.text))
	}
	p.object = q.object
	for _, t := range columns {
		f, bad := p.column(t)
		if bad != nil {
			return nil, bad
		}
		for _, had := range q.fields {
			if had.name == f.name {
				return nil, failed(400, "INVALID_FIELD", "duplicate field selected: "+f.name)
			}
		}
		q.fields = append(q.fields, f)
	}
	return q, p.tail(q)
}

// tail reads what follows the object's name.
func (p *parser) tail(q *soql) *fault {
	var bad *fault
	if p.is("WHERE") {
		if q.where, bad = p.conditions(); bad != nil {
			return bad
		}
	}
	if p.is("ORDER") {
		if q.order, bad = p.orderBy(); bad != nil {
			return bad
		}
	}
	if p.is("LIMIT") {
		if q.limit, bad = p.whole(); bad != nil {
			return bad
		}
	}
	if p.is("OFFSET") {
		if q.offset, bad = p.whole(); bad != nil {
			return bad
		}
		if q.offset > 2000 {
			return failed(400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
		}
	}
	if t := p.peek(); t.kind != endToken {
		return p.unexpected(t)
	}
	return nil
}

func (p *parser) column(t token) (field, *fault) {
	f, ok := p.object.field(t.text)
	if !ok {
		return f, located(p.query, t.at, "INVALID_FIELD", fmt.Sprintf("No such column '%s' on entity '%s'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.", t.text, p.object.name))
	}
	return f, nil
}

func (p *parser) whole() (int, *fault) {
	t := p.next()
	n, err := strconv.Atoi(t.text)
	if t.kind != numberToken || err != nil || n < 0 {
		return 0, p.unexpected(t)
	}
	return n, nil
}

func (p *parser) orderBy() ([]order, *fault) {
	if bad := p.need("BY"); bad != nil {
		return nil, bad
	}
	var terms []order
	for {
		t := p.next()
		if t.kind != wordToken {
			return nil, p.unexpected(t)
		}
		f, bad := p.column(t)
		if bad != nil {
			return nil, bad
		}
		if f.kind == "textarea" {
			return nil, located(p.query, t.at, "MALFORMED_QUERY", fmt.Sprintf("field '%s' can not be sorted in a query call", f.name))
		}
		term := order{field: f}
		if p.is("DESC") {
			term.descending = true
		} else {
			p.is("ASC")
		}
		if p.is("NULLS") {
			if p.is("LAST") {
				term.nullsLast = true
			} else if bad := p.need("FIRST"); bad != nil {
				return nil, bad
			}
		}
		if terms = append(terms, term); !p.is(",") {
			return terms, nil
		}
	}
}

// conditions reads terms that are joined by AND alone or OR alone: the vendor
// wants brackets where the two meet.
func (p *parser) conditions() (expr, *fault) {
	first, bad := p.term()
	if bad != nil {
		return nil, bad
	}
	terms := []expr{first}
	either := strings.EqualFold(p.peek().text, "OR")
	word := "AND"
	if either {
		word = "OR"
	}
	for p.peek().kind == wordToken && p.is(word) {
		e, bad := p.term()
		if bad != nil {
			return nil, bad
		}
		terms = append(terms, e)
	}
	if t := p.peek(); t.kind == wordToken && (strings.EqualFold(t.text, "AND") || strings.EqualFold(t.text, "OR")) {
		return nil, p.unexpected(t)
	}
	return func(r *row) bool {
		for _, e := range terms {
			if e(r) == either {
				return either
			}
		}
		return !either
	}, nil
}

func (p *parser) term() (expr, *fault) {
	if p.is("(") {
		e, bad := p.conditions()
		if bad != nil {
			return nil, bad
		}
		return e, p.need(")")
	}
	if p.is("NOT") {
		e, bad := p.term()
		if bad != nil {
			return nil, bad
		}
		return func(r *row) bool { return !e(r) }, nil
	}
	return p.comparison()
}

func (p *parser) comparison() (expr, *fault) {
	name := p.next()
	if name.kind != wordToken {
		return nil, p.unexpected(name)
	}
	f, bad := p.column(name)
	if bad != nil {
		return nil, bad
	}
	if f.kind == "textarea" {
		return nil, located(p.query, name.at, "INVALID_FIELD", fmt.Sprintf("field '%s' can not be filtered in a query call", f.name))
	}
	sign := p.next()
	switch op := strings.ToUpper(sign.text); op {
	case "=", "!=", "<>", "<", "<=", ">", ">=":
		if sign.kind != signToken {
			return nil, p.unexpected(sign)
		}
		v, bad := p.literal(f)
		if bad != nil {
			return nil, bad
		}
		return compare(f, op, v), nil
	case "LIKE":
		v, bad := p.literal(f)
		if bad != nil {
			return nil, bad
		}
		pattern, ok := v.(string)
		if !ok || f.kind == "id" || f.kind == "reference" {
			return nil, located(p.query, sign.at, "INVALID_FIELD", "invalid operator on "+f.kind+" field")
		}
		return func(r *row) bool { s, _ := r.get(f.name).(string); return like(pattern, s) }, nil
	case "IN", "NOT":
		if op == "NOT" {
			if bad := p.need("IN"); bad != nil {
				return nil, bad
			}
		}
		return p.within(f, op == "NOT")
	}
	return nil, p.unexpected(sign)
}

func (p *parser) within(f field, not bool) (expr, *fault) {
	if bad := p.need("("); bad != nil {
		return nil, bad
	}
	set := map[any]bool{}
	for {
		v, bad := p.literal(f)
		if bad != nil {
			return nil, bad
		}
		if set[fold(v)] = true; !p.is(",") {
			break
		}
	}
	return func(r *row) bool { return set[fold(r.get(f.name))] != not }, p.need(")")
}

// literal reads a value that fits the field.
func (p *parser) literal(f field) (any, *fault) {
	t := p.next()
	wrong := func(how string) *fault {
		return located(p.query, max(t.at, 0), "INVALID_FIELD", fmt.Sprintf("value of filter criterion for field '%s' must be of type %s and should %sbe enclosed in quotes", f.name, f.soqlKind(), how))
	}
	switch {
	case t.kind == wordToken && strings.EqualFold(t.text, "null"):
		return nil, nil
	case t.kind == endToken || t.kind == signToken:
		return nil, p.unexpected(t)
	}
	switch f.kind {
	case "boolean":
		if t.kind == wordToken && (strings.EqualFold(t.text, "true") || strings.EqualFold(t.text, "false")) {
			return strings.EqualFold(t.text, "true"), nil
		}
		return nil, wrong("not ")
	case "int", "double", "currency", "percent":
		if n, err := strconv.ParseFloat(t.text, 64); t.kind == numberToken && err == nil {
			return n, nil
		}
		return nil, wrong("not ")
	case "datetime":
		// A plus sign in a query's address comes as a space when nobody escaped it.
		at, err := time.Parse(time.RFC3339Nano, t.text)
		if t.kind != timeToken || err != nil {
			return nil, wrong("not ")
		}
		return at.UTC(), nil
	case "date":
		if _, err := time.Parse(time.DateOnly, t.text); t.kind != timeToken || err != nil {
			return nil, wrong("not ")
		}
		return t.text, nil
	}
	if t.kind != stringToken {
		if t.kind == wordToken {
			return nil, p.unexpected(t)
		}
		return nil, wrong("")
	}
	if f.kind == "id" || f.kind == "reference" {
		if id15(t.text) == "" {
			return nil, located(p.query, t.at, "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: "+t.text)
		}
		return id18(t.text), nil
	}
	return t.text, nil
}

func (f field) soqlKind() string {
	switch f.kind {
	case "datetime":
		return "dateTime"
	case "currency", "percent":
		return "double"
	case "email", "phone", "picklist", "url", "id", "reference":
		return "string"
	}
	return f.kind
}
