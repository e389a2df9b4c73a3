"""MTN's MoMo Disbursement API on this machine: for tests, the demo, and nothing else.

It speaks the published API (momodeveloper.mtn.com/api-documentation: getting-started,
callback, common-error, testing) with the sandbox's provisioning, and misbehaves as it is
told to. Nothing here imports the rail, so that neither can lean on the other's mistakes.
"""
