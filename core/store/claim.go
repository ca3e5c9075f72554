package store

// ClaimDoc says who owns a unique value.
type ClaimDoc struct {
	Meta  `bson:",inline"`
	Owner string `bson:"owner"`
}

// Claims makes values unique: the key is the value, so that of two who insert it
// at once one gets ErrConflict, on every engine and across shards.
var Claims = Declare[ClaimDoc](Spec{Name: "claims"})

// Claim returns the operation that takes value of a kind for owner. It conflicts
// when somebody has it.
func Claim(workspace, kind, value, owner string) Op {
	return Claims.Insert(&ClaimDoc{Meta: Meta{ID: Key(workspace, kind, value)}, Owner: owner})
}
