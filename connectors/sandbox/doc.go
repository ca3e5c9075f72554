// Package sandbox holds what the emulators of vendors' APIs have in common. An
// emulator is an http.Handler with its state in memory that behaves as its vendor
// does: the same paths, statuses, headers, bodies, limits and mistakes, so that the
// vendor's own SDK is content with it. What a vendor does only on a bad day, a fault
// switch brings about at will.
//
// An emulator is a package with a constructor that fills an [Emulator]:
//
//	func New() sandbox.Emulator {
//		desk := sandbox.NewDesk(
//			sandbox.Window{Name: "burst", Limit: 75, Every: time.Second},
//			sandbox.Window{Name: "steady", Limit: 750, Every: time.Minute},
//		)
//		s := &server{desk: desk, things: map[string]thing{}}
//		mux := http.NewServeMux()
//		mux.HandleFunc("POST /api/things", s.create)
//		return sandbox.Emulator{
//			Name:        "vendor",
//			Desk:        desk,
//			Handler:     s.authorised(mux),
//			Credentials: map[string]string{"apiKey": key},
//			Faults: map[sandbox.Kind]sandbox.Answer{
//				sandbox.RateLimited: s.tooMany,   // the vendor's own 429
//				sandbox.ServerError: s.broken,    // the vendor's own 5xx
//			},
//			Controls: map[string]http.HandlerFunc{"POST inbound": s.inbound},
//			Seed:     s.seed,
//			Reset:    s.reset,
//		}
//	}
//
// Inside, a handler asks desk.Clock.Now() for the time (a test may move it on),
// desk.Limits.Take(key, now) whether a request is within the limits, and
// [BaseURL] for the address that it was called by, which it needs to write links.
// Webhooks go out by desk.Outbox.Send. Faults need nothing of the handler: [Serve]
// puts them before it.
//
// [Serve] makes the handler of one emulator, [Mount] of several, each beneath its
// name. Beside the vendor's own paths each has the control API:
//
//	GET, PUT, POST, DELETE /_sandbox/faults   list, replace, add to, clear ([]Fault)
//	POST /_sandbox/clock                      {"advance":"1h"} or {"freeze":true}
//	PUT /_sandbox/limits                      {"off":true} or {"window":"burst","limit":10}
//	PUT /_sandbox/webhook                     {"url":"http://127.0.0.1:9/hook"}
//	POST /_sandbox/seed                       {"count":100000}
//	POST /_sandbox/reset                      as it was at the start
//	GET, DELETE /_sandbox/requests            the last requests and their statuses
//	… /_sandbox/NAME                          the emulator's own Controls
//
// Nothing here imports the rest of the project.
package sandbox
