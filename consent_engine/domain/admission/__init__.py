"""The door: may this order be accepted?"""
