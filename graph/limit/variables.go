package limit

import "github.com/headwater-cdp/headwater/core"

// JSON measures a JSON text before it is decoded: decoding makes an object of
// every value, which costs up to fifty times the text's size. It does not check
// the syntax.
func (l Limits) JSON(text []byte) *core.Error {
	depth, values := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			values++
			if depth++; depth > l.Nesting {
				return tooNested(l)
			}
		case '}', ']':
			depth--
		case ',', ':':
			values++
		}
		if values > l.Values {
			return tooComplex("TOO_MANY_VALUES", "the request may hold at most %d JSON values", l.Values)
		}
	}
	return nil
}

func tooNested(l Limits) *core.Error {
	return tooComplex("TOO_NESTED", "values may nest at most %d levels", l.Nesting)
}
