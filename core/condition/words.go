package condition

// Names gives the names of things that conditions hold by id. An empty name leaves
// the id or the key.
type Names interface {
	Segment(id string) string
	ObjectType(key string) string
}

func Words(n *Node, names Names) string { return "" }
