package consent

import (
	"encoding/base64"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// pageOf cuts a window out of a list. A cursor is the id of an item: nothing is taken
// out of the lists that it is for.
func pageOf[T any](list []*T, idOf func(*T) string, w core.Window) (store.Page[T], error) {
	var page store.Page[T]
	place := func(cursor, argument string, missing int) (int, error) {
		if cursor == "" {
			return missing, nil
		}
		id, err := base64.RawURLEncoding.DecodeString(cursor)
		i := slices.IndexFunc(list, func(e *T) bool { return idOf(e) == string(id) })
		if err != nil || i < 0 {
			return 0, store.ErrBadCursor.At(argument)
		}
		return i, nil
	}
	after, err := place(w.After, "after", -1)
	if err != nil {
		return page, err
	}
	to, err := place(w.Before, "before", len(list))
	if err != nil {
		return page, err
	}
	from := min(after+1, to)
	if w.Backward {
		from = max(from, to-w.Limit)
	} else {
		to = min(to, from+w.Limit)
	}
	page.HasPrev, page.HasNext = from > 0, to < len(list)
	for _, e := range list[from:to] {
		page.Items = append(page.Items, e)
		page.Cursors = append(page.Cursors, base64.RawURLEncoding.EncodeToString([]byte(idOf(e))))
	}
	return page, nil
}
