package mongo

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// filter writes a plan as a query. With a position to continue from it is a
// disjunction of whole branches, one per field that may have moved on:
//
//	(a = A, b = B, _id > K)  or  (a = A, b > B)  or  (a > A)
//
// Each branch has tight bounds in the plan's index, and the server merges them in
// the index's order without a sort.
func filter(p store.Plan) bson.D {
	if p.Index == nil {
		conds := keyConds(p)
		if p.After != nil {
			conds = append(conds, field("_id", beyond(!p.Reverse), p.After.ID))
		}
		return all(conds)
	}
	if p.ByElement() {
		return all(elementConds(p))
	}
	rest := p.Rest()
	if p.After == nil {
		return all(append(fixed(p), tail(p, rest)...))
	}
	var branches bson.A
	for i := range len(rest) + 1 {
		conds := fixed(p)
		for j, f := range rest[:i] {
			conds = append(conds, field(f.Path, "$eq", p.After.Values[j]))
		}
		if i < len(rest) {
			conds = append(conds, field(rest[i].Path, beyond(rest[i].Desc == p.Reverse), p.After.Values[i]))
		} else {
			conds = append(conds, field("_id", beyond(!p.Reverse), p.After.ID))
		}
		branches = append(branches, all(append(conds, tail(p, rest)...)))
	}
	return bson.D{{Key: "$or", Value: branches}}
}

// fixed is the workspace and the equalities.
func fixed(p store.Plan) bson.A {
	var conds bson.A
	if !p.Spec.Global {
		conds = append(conds, field(workspaceField, "$eq", p.Workspace))
	}
	for i, v := range p.Equal {
		f := p.Index.Fields[i]
		if !f.Multi {
			conds = append(conds, present(f.Path))
		}
		// On an array the server can use one condition per field for the bounds of the
		// index; it must be this one, and it says by itself that the field is there.
		conds = append(conds, field(f.Path, "$eq", v))
	}
	return conds
}

// tail is the range on the first field after the equalities, and the presence of
// the fields from there on.
func tail(p store.Plan, rest []store.IndexField) bson.A {
	var conds bson.A
	for _, f := range rest {
		conds = append(conds, present(f.Path))
	}
	if len(rest) > 0 {
		conds = append(conds, bounds(rest[0].Path, p.Low, p.High)...)
	}
	return conds
}

// indexed are the types of values that the port puts in an index.
var indexed = bson.A{"string", "long", "int", "bool", "date"}

// present demands a value. The server's index leaves out documents without the
// field; the query says so again, because the server uses a partial index only for
// a query that implies its filter. And the server's index, unlike the port's, has
// nulls and values of other types.
func present(path string) bson.D {
	return bson.D{{Key: path, Value: bson.D{{Key: "$exists", Value: true}, {Key: "$type", Value: indexed}}}}
}

// elementConds are the conditions of a range over the elements of an array, each
// document of which is told once, by key. The bounds are of one element, so that
// the index is walked between them; that the field is there needs no saying again:
// the server knows that $elemMatch implies it, and could take a second condition on
// the field for the bounds instead.
func elementConds(p store.Plan) bson.A {
	var conds bson.A
	if !p.Spec.Global {
		conds = append(conds, field(workspaceField, "$eq", p.Workspace))
	}
	match := bson.D{}
	for _, b := range bounds("", p.Low, p.High) {
		match = append(match, b.(bson.D)[0].Value.(bson.D)...)
	}
	conds = append(conds, bson.D{{Key: p.Index.Fields[0].Path, Value: bson.D{{Key: "$elemMatch", Value: match}}}})
	if p.After != nil {
		conds = append(conds, field("_id", beyond(!p.Reverse), p.After.ID))
	}
	return conds
}

// keyConds are the conditions on the key of a walk by key.
func keyConds(p store.Plan) bson.A {
	var conds bson.A
	if !p.Spec.Global {
		// '0' follows '/': the keys of a workspace lie between "ws/" and "ws0".
		conds = append(conds, field("_id", "$gte", p.Workspace+"/"), field("_id", "$lt", p.Workspace+"0"))
	}
	return append(conds, bounds("_id", p.Low, p.High)...)
}

func bounds(path string, low, high *store.Bound) bson.A {
	var conds bson.A
	if low != nil {
		op := "$gt"
		if low.Inclusive {
			op = "$gte"
		}
		conds = append(conds, field(path, op, low.Value))
	}
	if high != nil {
		op := "$lt"
		if high.Inclusive {
			op = "$lte"
		}
		conds = append(conds, field(path, op, high.Value))
	}
	return conds
}

func field(path, op string, v any) bson.D {
	if t, ok := v.(time.Time); ok {
		v = bson.NewDateTimeFromTime(t)
	}
	return bson.D{{Key: path, Value: bson.D{{Key: op, Value: v}}}}
}

// beyond is the operator for what comes later in a walk.
func beyond(ascending bool) string {
	if ascending {
		return "$gt"
	}
	return "$lt"
}

func all(conds bson.A) bson.D {
	if len(conds) == 0 {
		return bson.D{}
	}
	return bson.D{{Key: "$and", Value: conds}}
}

// order is the sort of a plan: the rest of its index, then the key.
func order(p store.Plan) bson.D {
	var d bson.D
	keyed := false
	for _, f := range p.Rest() {
		d = append(d, bson.E{Key: f.Path, Value: direction(f.Desc == p.Reverse)})
		keyed = keyed || f.Path == "_id"
	}
	if !keyed {
		d = append(d, bson.E{Key: "_id", Value: direction(!p.Reverse)})
	}
	return d
}

func direction(ascending bool) int32 {
	if ascending {
		return 1
	}
	return -1
}
