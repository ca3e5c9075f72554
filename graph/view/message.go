package view

import "github.com/headwater-cdp/headwater/core/message"

// MessageConnection is a page of messages.
type MessageConnection = Connection[message.Message]

// MessageEdge is an item of such a page.
type MessageEdge = Edge[message.Message]

// InboxItemConnection is a page of an inbox.
type InboxItemConnection = Connection[message.InboxItem]

// InboxItemEdge is an item of such a page.
type InboxItemEdge = Edge[message.InboxItem]
