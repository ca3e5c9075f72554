package wiretest

// What FerretDB 1.24.2 cannot do, in words for the test's output.
const (
	noStreams      = "FerretDB has no change streams"
	noTransactions = "FerretDB has no transactions: a batch that fails half way leaves its first half"
	noSnapshots    = "FerretDB has no snapshot reads"
	panics         = "FerretDB ends the connection in a panic when createIndexes repeats several indexes"
	noElement      = "FerretDB asks each bound of an $elemMatch of any element, not both of one"
	noInfinity     = "FerretDB stores no infinite numbers; TestBytes does the rest of this case"
)

// exceptions are the cases of the suite that do not run here. The scripted server
// in core/store/mongo asserts the commands behind all of them.
var exceptions = map[string]string{
	"a batch is applied all or nothing":              noTransactions,
	"add to what is no number is refused whole":      noTransactions,
	"a snapshot stands still while writes go on":     noSnapshots,
	"a snapshot is of one moment across collections": noSnapshots,
	"declare may be called again":                    panics,
	"declare may be called by many at once":          panics,
	"documents come back byte for byte":              noInfinity,

	"a range over elements finds each document with one in it once": noElement,
	"a range over elements takes its ends as asked":                 noElement,
	"a prefix finds documents by the beginning of an element":       noElement,
	"a range over elements follows its documents":                   noElement,

	"a repeated batch id succeeds without effect":                 noStreams + "; TestARepeatedBatch does the rest of this case",
	"watch tells of every change in the order of commits, once":   noStreams,
	"watch goes on from every token":                              noStreams,
	"watch goes on from the token of a commit":                    noStreams,
	"watch tells of the collections asked for only":               noStreams,
	"watch tells nothing of checks":                               noStreams,
	"watch waits for the next commit":                             noStreams,
	"a change that is told of can be read":                        noStreams,
	"watch ends with its context":                                 noStreams,
	"watch keeps order under concurrent writers":                  noStreams,
	"watch from now tells of what earlier reads cannot have seen": noStreams,
	"a token whose changes are gone is expired":                   noStreams,
}
