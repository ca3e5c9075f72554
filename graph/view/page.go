package view

import (
	"context"

	"github.com/headwater-cdp/headwater/core/store"
)

// Edge is one item of a page.
type Edge[T any] struct {
	Cursor string
	Node   *T
}

// PageInfo says where a page stands.
type PageInfo struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string
}

// Connection is a page of a list. Count is called only when the client asks for
// totalCount.
type Connection[T any] struct {
	Edges    []*Edge[T]
	PageInfo *PageInfo
	Count    func(ctx context.Context) (int64, error)
}

// NewConnection makes a connection of a page of the store.
func NewConnection[T any](p store.Page[T], count func(ctx context.Context) (int64, error)) *Connection[T] {
	c := &Connection[T]{
		Edges:    make([]*Edge[T], len(p.Items)),
		PageInfo: &PageInfo{HasNextPage: p.HasNext, HasPreviousPage: p.HasPrev},
		Count:    count,
	}
	for i, item := range p.Items {
		c.Edges[i] = &Edge[T]{Cursor: p.Cursors[i], Node: item}
	}
	if n := len(p.Cursors); n > 0 {
		c.PageInfo.StartCursor, c.PageInfo.EndCursor = &p.Cursors[0], &p.Cursors[n-1]
	}
	return c
}

// TotalCount counts the whole list.
func (c *Connection[T]) TotalCount(ctx context.Context) (int64, error) { return c.Count(ctx) }
