package salesforce

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind tells the tokens of SOQL apart.
type tokenKind int

const (
	endToken    tokenKind = iota
	wordToken             // a name or a keyword
	stringToken           // 'text', without the quotes and escapes
	numberToken           // 12, -3.5
	timeToken             // 2026-01-31 or 2026-01-31T10:00:00Z
	signToken             // = != <> < <= > >= ( ) ,
)

type token struct {
	kind tokenKind
	text string
	at   int // bytes before it
}

// shown is the token as an error names it.
func (t token) shown() string {
	if t.kind == endToken {
		return "<EOF>"
	}
	return t.text
}

// malformed is the vendor's answer to a query that cannot be read: the query, a
// caret beneath the place, and why.
func malformed(query string, at int, why string) *fault {
	return located(query, at, "MALFORMED_QUERY", why)
}

func located(query string, at int, code, why string) *fault {
	before := query[:at]
	line := strings.Count(before, "\n")
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	snippet := strings.Split(query, "\n")[line]
	// The vendor shows about so much of the query before the place.
	const around = 40
	runes := []rune(snippet)
	from := max(0, column-around)
	shown := string(runes[from:min(len(runes), column+around)])
	return failed(400, code, fmt.Sprintf("\n%s\n%s^\nERROR at Row:%d:Column:%d\n%s", shown, strings.Repeat(" ", column-from), line+1, column+1, why))
}

// lex cuts a query into tokens.
func lex(query string) ([]token, *fault) {
	var tokens []token
	for i := 0; i < len(query); {
		c := query[i]
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
		case c == '\'':
			text, next, bad := lexString(query, i)
			if bad != nil {
				return nil, bad
			}
			tokens = append(tokens, token{stringToken, text, i})
			i = next
		case c >= '0' && c <= '9' || (c == '-' || c == '+') && i+1 < len(query) && query[i+1] >= '0' && query[i+1] <= '9':
			end := i + 1
			for end < len(query) && strings.IndexByte("0123456789.:+-TZtz", query[end]) >= 0 {
				end++
			}
			kind := numberToken
			if strings.ContainsAny(query[i+1:end], "-:") {
				kind = timeToken
			}
			tokens = append(tokens, token{kind, query[i:end], i})
			i = end
		case c == '(' || c == ')' || c == ',' || c == '=':
			tokens = append(tokens, token{signToken, query[i : i+1], i})
			i++
		case c == '<' || c == '>' || c == '!':
			end := i + 1
			if end < len(query) && (query[end] == '=' || c == '<' && query[end] == '>') {
				end++
			}
			if query[i:end] == "!" {
				return nil, malformed(query, i, "unexpected token: '!'")
			}
			tokens = append(tokens, token{signToken, query[i:end], i})
			i = end
		default:
			r, _ := utf8.DecodeRuneInString(query[i:])
			if !unicode.IsLetter(r) && r != '_' {
				return nil, malformed(query, i, fmt.Sprintf("line %d:%d no viable alternative at character '%c'", 1, i, r))
			}
			end := i
			for end < len(query) && (query[end] == '_' || query[end] == '.' || query[end] >= '0' && query[end] <= '9' ||
				query[end] >= 'a' && query[end] <= 'z' || query[end] >= 'A' && query[end] <= 'Z') {
				end++
			}
			if end == i {
				return nil, malformed(query, i, fmt.Sprintf("line 1:%d no viable alternative at character '%c'", i, r))
			}
			tokens = append(tokens, token{wordToken, query[i:end], i})
			i = end
		}
	}
	return append(tokens, token{kind: endToken, at: len(query)}), nil
}

// escapes of a quoted text; \% and \_ stay what they are for LIKE.
var escapes = map[byte]string{'n': "\n", 'r': "\r", 't': "\t", 'b': "\b", 'f': "\f", '"': `"`, '\'': "'", '\\': `\`, '%': `\%`, '_': `\_`}

func lexString(query string, at int) (text string, next int, bad *fault) {
	var b strings.Builder
	for i := at + 1; i < len(query); i++ {
		switch query[i] {
		case '\'':
			return b.String(), i + 1, nil
		case '\\':
			i++
			if i == len(query) {
				break
			}
			plain, ok := escapes[query[i]]
			if !ok {
				return "", 0, malformed(query, i, fmt.Sprintf("line 1:%d no viable alternative at character '%c'", i, query[i]))
			}
			b.WriteString(plain)
		default:
			b.WriteByte(query[i])
		}
	}
	return "", 0, malformed(query, len(query), "line 1:"+fmt.Sprint(len(query))+" mismatched character '<EOF>' expecting '''")
}
