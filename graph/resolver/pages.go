package resolver

import (
	"context"
	"encoding/base64"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/graph/view"
)

// pageOf cuts a window out of a list that is in memory, in the order of its keys,
// which are unique.
func pageOf[T any](list []*T, key func(*T) string, w core.Window) (store.Page[T], error) {
	var page store.Page[T]
	after, err := placeOf(w.After, "after")
	if err != nil {
		return page, err
	}
	before, err := placeOf(w.Before, "before")
	if err != nil {
		return page, err
	}
	from, to := 0, len(list)
	for i, item := range list {
		if k := key(item); w.After != "" && k <= after {
			from = i + 1
		} else if w.Before != "" && k >= before {
			to = i
			break
		}
	}
	from = min(from, to)
	if w.Backward {
		from = max(from, to-w.Limit)
	} else {
		to = min(to, from+w.Limit)
	}
	page.HasPrev, page.HasNext = from > 0, to < len(list)
	for _, item := range list[from:to] {
		page.Items = append(page.Items, item)
		page.Cursors = append(page.Cursors, base64.RawURLEncoding.EncodeToString([]byte(key(item))))
	}
	return page, nil
}

// placeOf returns the key that a cursor of pageOf stands for.
func placeOf(cursor, argument string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(cursor) > 4096 {
		return "", store.ErrBadCursor.At(argument)
	}
	return string(raw), nil
}

// listed makes a connection of a page of what may be seen. Such a page may be short, or
// empty, and yet not the last: it says itself where it stands.
func listed[T any](page profile.Listed[T], count func(ctx context.Context) (int64, error)) *view.Connection[T] {
	c := view.NewConnection(page.Page, count)
	c.PageInfo.StartCursor, c.PageInfo.EndCursor = text(page.Start), text(page.End)
	return c
}
