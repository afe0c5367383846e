// Package conformance is tests only: what DynamoDB does, asked through the SDK.
//
// The tests run on the embedded server and, where the environment variable CROSSFADE_SERVICES is 1, on DynamoDB
// Local. Expectations are what real DynamoDB does, as far as its documentation says or as far as it is known. Where
// DynamoDB Local or the embedded server answers something else, the expectation is a difference, which says which of
// the two the real one agrees with, and why.
package conformance
