// Package stub is an endpoint with DynamoDB's protocol that answers at once, so that a measurement is one of its
// client. It knows the calls on the way of a row and looks no further into a request than it must: reads get pages
// that were made before, writes get an empty success. What it keeps of a write is which rows were in it, so that
// every run can be checked.
//
// A row is told by its mark, a string attribute with the row's number, which is found without parsing, wherever a
// client puts it.
//
// It speaks HTTP/1.1 on bare connections: net/http's server would take longer than the client that is measured.
package stub
