UNIT_TESTS := test_address_guard test_base64 test_event_type test_fingerprint test_http_date test_ids test_json_path test_json_scan \
              test_password test_redact test_redact_body test_seal test_signing test_url_policy
